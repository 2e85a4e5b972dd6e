"""FedRT's training room: networks, training, metrics and the model folder. Builds on FedRTDatasetLib only."""

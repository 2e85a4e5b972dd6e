"""One file a command of the data room, or a group of them; `cli.py` lists them."""

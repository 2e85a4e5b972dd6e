import sys

from FedRTDatasetLib import commandline

from . import cli

sys.exit(commandline.run([cli.add_commands], prog="python -m FedRTFederationLib"))

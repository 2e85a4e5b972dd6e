import sys

from . import cli, commandline

sys.exit(commandline.run([cli.add_commands], prog="python -m FedRTDatasetLib"))

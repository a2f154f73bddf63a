"""The room of the operators' console; the command line (`python -m akount jobs …`) serves until it is furnished."""

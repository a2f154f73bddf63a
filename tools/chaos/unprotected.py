"""A worker without its protection, for the control: nothing gives back what the dead held, nothing rings again.

The product has no such switch. The control shows that a run can fail: with this worker it must lose documents.
"""

from akount.cli import cli
from akount.tasks import upkeep

if __name__ == "__main__":
    upkeep.sweep = lambda _runtime: 0
    cli()

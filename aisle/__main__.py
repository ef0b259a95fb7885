"""`python -m aisle`: the `aisle` command for launchers that start modules, such as torchrun and accelerate."""

from aisle.cli.main import run

if __name__ == "__main__":
    run()

"""`python -m rag`: the commands of rag/commands."""

from .commands.app import app
from .commands.shared import run

if __name__ == "__main__":
    run(app, "python -m rag")

"""`python -m rag`: the commands of rag/commands."""

from .commands.app import app

if __name__ == "__main__":
    app(prog_name="python -m rag")

"""The commands: options, the job that they describe, and one file a command."""

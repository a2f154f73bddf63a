"""`make chaos`: documents are sent while processes and servers are killed at random; then nothing may be lost or doubled."""

"""The service from outside: uploads, polling, health and reading, beside the original's design in Node and a bare view."""

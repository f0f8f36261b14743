"""One file per kind of answer: how to try it, and what to write down."""

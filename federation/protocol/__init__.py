"""The order of messages: phases, transition tables, frozen messages and limits."""

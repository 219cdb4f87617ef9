"""Data sets, scenarios, lift, report, benches and the fedrecall program."""

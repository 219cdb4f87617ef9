"""What puts a federation on machines, and the rehearsal of it on one."""

"""The system on one machine: started, watched, replaced, stopped."""

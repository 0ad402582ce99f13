"""`gateway connector new`: a small working connector to start from. The project itself lies in `project/`."""

"""What programs are told of a job and of a photo in the shapes of other systems, over HTTP and WebSocket alike."""

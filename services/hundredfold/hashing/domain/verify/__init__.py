"""Whether two images that may be copies show the same picture: compared pixel by pixel, aligned first."""

"""From a video to one record per person: source, detect, track, schedule, infer, fuse, outputs."""

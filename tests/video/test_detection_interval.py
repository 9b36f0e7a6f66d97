from edgeattr.video.detection_interval import DetectionInterval


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_every_third_frame_and_the_first() -> None:
    interval = DetectionInterval(3)
    assert [interval.is_due(0) for _ in range(7)] == [True, False, False, True, False, False, True]


def test_a_file_is_never_looked_at_less_often() -> None:
    clock = _Clock()
    interval = DetectionInterval(1, most=1, clock=clock)
    for lost in range(20):
        clock.now += 2
        assert interval.is_due(lost)


def test_losses_make_detections_rare_and_quiet_makes_them_frequent_again() -> None:
    clock = _Clock()
    interval = DetectionInterval(1, most=3, clock=clock)
    lost = 0
    seen = []
    for _ in range(8):  # a loss every second
        clock.now += 1.0
        lost += 1
        interval.is_due(lost)
        seen.append(interval.every)
    assert seen == [2, 3, 3, 3, 3, 3, 3, 3]
    quiet = []
    for _ in range(24):  # half a second a frame
        clock.now += 0.5
        interval.is_due(lost)
        quiet.append(interval.every)
    assert quiet[8] == 3
    assert quiet[-1] == 1
    assert quiet == sorted(quiet, reverse=True)

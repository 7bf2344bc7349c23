import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.report.plots.label_places import place_labels

WIDTH, HEIGHT, RADIUS = 270.0, 180.0, 3.5
NO_BARS = np.zeros((0, 4))
coordinates = st.tuples(st.floats(0, WIDTH), st.floats(0, HEIGHT))
label_sizes = st.tuples(st.floats(10, 60), st.floats(8, 12))


def place(points, sizes, bars=NO_BARS) -> tuple[np.ndarray, np.ndarray]:
    points, sizes = np.array(points, float), np.array(sizes, float)
    centres = place_labels(points, sizes, bounds=(WIDTH, HEIGHT), markers=points, radius=RADIUS, bars=bars)
    return centres, np.hstack([centres - sizes / 2, centres + sizes / 2])


def shared_area(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod())


@given(marked=st.lists(st.tuples(coordinates, label_sizes), min_size=1, max_size=10))
def test_no_label_covers_another_or_a_marker_or_leaves_the_plot(marked) -> None:
    points, sizes = zip(*marked, strict=True)
    _, boxes = place(points, sizes)
    # Ten labels of at most 60 x 12 fill 15 % of this plot, so that there is room for all; 1e-6 is for the arithmetic.
    for index, box in enumerate(boxes):
        assert all(shared_area(box, other) < 1e-6 for other in boxes[:index])
        for point in points:
            marker = np.array([point[0] - RADIUS, point[1] - RADIUS, point[0] + RADIUS, point[1] + RADIUS])
            assert shared_area(box, marker) < 1e-6
        assert (box[:2] > -1e-6).all() and box[2] < WIDTH + 1e-6 and box[3] < HEIGHT + 1e-6


def test_a_lone_label_is_beside_its_point() -> None:
    (centre,), _ = place([(100, 90)], [(30, 10)])
    assert centre[1] == 90 and abs(centre[0] - 100) == RADIUS + 2 + 15


def test_a_label_avoids_a_bar_where_it_can() -> None:
    bar = np.array([[99.0, 0.0, 101.0, HEIGHT], [0.0, 89.0, WIDTH, 91.0]])  # a cross through the point
    _, (box,) = place([(100, 90)], [(30, 10)], bar)
    assert shared_area(box, bar[0]) == shared_area(box, bar[1]) == 0


def test_the_same_points_give_the_same_places() -> None:
    points, sizes = [(50, 50), (52, 51), (51, 49)], [(30, 10)] * 3
    assert np.array_equal(place(points, sizes)[0], place(points, sizes)[0])

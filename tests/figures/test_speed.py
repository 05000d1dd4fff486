"""Bars and curves are those of the numbers given."""

from dbviz.figures import plot_growth, plot_rates


def test_a_bar_is_as_long_as_its_rate_and_names_its_ratio():
    ax = plot_rates({"usual": 100.0, "ours": 650.0}, unit="points")
    assert [bar.get_width() for bar in ax.patches] == [100, 650]  # pyright: ignore[reportAttributeAccessIssue]
    assert [text.get_text() for text in ax.texts] == ["100  (1.0 x)", "650  (6.5 x)"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["usual", "ours"]
    assert ax.get_xlabel() == "points per second"


def test_what_is_written_at_a_bar_stays_inside_and_reads_as_a_number():
    ax = plot_rates({"usual": 208.0, "scores alone": 2_549_160.0}, unit="points")
    ax.figure.canvas.draw()  # pyright: ignore[reportOptionalMemberAccess]
    (_, longest) = ax.texts
    assert longest.get_text() == "2,549,160  (12,256 x)"
    assert longest.get_window_extent().x1 < ax.get_window_extent().x1
    assert ax.get_xticklabels()[1].get_text() == "1,000,000"


def test_growth_is_relative_to_the_first_value():
    ax = plot_growth({"planes": ((2, 4, 8), (1.0, 2.0, 5.0)), "width": ((4, 8), (3.0, 12.0))})
    planes, width, proportion = ax.get_lines()
    assert planes.get_xydata().tolist() == [[1, 1], [2, 2], [4, 5]]  # pyright: ignore[reportAttributeAccessIssue]
    assert width.get_xydata().tolist() == [[1, 1], [2, 4]]  # pyright: ignore[reportAttributeAccessIssue]
    assert proportion.get_xydata().tolist() == [[1, 1], [4, 4]]  # pyright: ignore[reportAttributeAccessIssue]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    ax.figure.canvas.draw()  # pyright: ignore[reportOptionalMemberAccess]
    numbers = [text.get_text() for text in ax.get_xticklabels()]
    assert {"1", "2", "4"} <= set(numbers)
    assert not any("10" in number and "$" in number for number in numbers)

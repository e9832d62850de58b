"""A page for each slide: its title, its shapes as they stand, its notes."""

from __future__ import annotations

from typing import Any

import pptx
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from ingest.readers import READERS
from rag.types import Content

from .office import saved, slides


def read(data: bytes) -> Content:
    return READERS[".pptx"].read(data, "bài giảng.pptx")


def deck(title: str = "") -> tuple[Any, Any]:
    """A presentation with one slide, which has a title if one is given."""
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[5 if title else 6])
    if title:
        slide.shapes.title.text = title
    return presentation, slide


def box(shapes: Any, text: str, left: float, top: float) -> None:
    shape = shapes.add_textbox(Inches(left), Inches(top), Inches(2), Inches(1))
    shape.text_frame.text = text


def test_each_slide_is_a_page_with_its_title_first() -> None:
    content = read(slides(("Mở đầu", "Chào các bạn\nHôm nay"), ("", ""), ("Kết luận", "Cảm ơn")))
    assert content.title == "Mở đầu"
    assert [(page.number, page.text) for page in content.pages] == [
        (1, "Mở đầu\n\nChào các bạn\nHôm nay"),
        (2, ""),
        (3, "Kết luận\n\nCảm ơn"),
    ]


def test_the_title_is_that_of_the_properties_if_somebody_gave_it() -> None:
    presentation, _ = deck("Mở đầu")
    presentation.core_properties.title = "PowerPoint Presentation"
    assert read(saved(presentation)).title == "Mở đầu"
    presentation.core_properties.title = "Annual review"
    assert read(saved(presentation)).title == "Annual review"


def test_shapes_are_read_from_the_top_and_from_left_to_right_groups_too() -> None:
    presentation, slide = deck("Title")
    box(slide.shapes, "bottom", 1, 6)
    box(slide.shapes, "right", 5, 2.1)
    group = slide.shapes.add_group_shape()
    box(group.shapes, "second in the group", 1, 4.5)
    box(group.shapes, "first in the group", 1, 4)
    box(slide.shapes, "left", 1, 2.2)
    assert read(saved(presentation)).pages[0].text.split("\n\n") == [
        *("Title", "left", "right", "first in the group", "second in the group", "bottom")
    ]


def test_boxes_that_stand_a_little_askew_are_one_row_wherever_it_is_on_the_slide() -> None:
    """Each pair is 0.02 inch askew: stripes of a fixed height would cut one pair or another."""
    presentation, slide = deck()
    tops = [0.5, 1.79, 3.08, 4.19, 5.3]
    for number, top in enumerate(tops):
        box(slide.shapes, f"right {number}", 5, top)
        box(slide.shapes, f"left {number}", 1, top + 0.02)
    [page] = read(saved(presentation)).pages
    assert page.text.split("\n\n") == [
        f"{side} {number}" for number in range(len(tops)) for side in ("left", "right")
    ]


def test_a_table_is_rows_with_its_head_and_merged_cells_once() -> None:
    presentation, slide = deck()
    grid = slide.shapes.add_table(3, 2, 0, 0, Inches(4), Inches(2)).table
    for cell, text in zip(
        grid.iter_cells(), ["Quý", "Doanh thu", "I", "5", "Cả năm"], strict=False
    ):
        cell.text = text
    grid.cell(2, 0).merge(grid.cell(2, 1))
    [page] = read(saved(presentation)).pages
    assert page.text == "Quý | Doanh thu\nI | 5\nCả năm"
    assert page.text[: page.blocks[0].head] == "Quý | Doanh thu"


def test_a_chart_is_a_table_of_its_numbers() -> None:
    presentation, slide = deck()
    made: Any = CategoryChartData  # which has no types
    data = made()
    data.categories = ["Quý I", "Quý II"]
    data.add_series("Hà Nội", (1.5, 2))
    data.add_series("Huế", (3, None))
    frame = slide.shapes.add_chart(XL_CHART_TYPE.BAR_CLUSTERED, 0, 0, Inches(4), Inches(4), data)
    frame.chart.has_title = True
    frame.chart.chart_title.text_frame.text = "Doanh thu"
    [page] = read(saved(presentation)).pages
    assert page.text == "Doanh thu\n\n| Hà Nội | Huế\nQuý I | 1.5 | 3\nQuý II | 2"


def test_the_notes_stand_last_behind_a_line() -> None:
    presentation, slide = deck("Title")
    slide.notes_slide.notes_text_frame.text = "Nhớ nói về 12 ngày phép."
    assert read(saved(presentation)).pages[0].text == "Title\n\n---\n\nNhớ nói về 12 ngày phép."


def test_dates_footers_and_slide_numbers_are_left_out() -> None:
    presentation, slide = deck("Title")
    for holder in slide.slide_layout.placeholders:
        if holder.placeholder_format.idx >= 10:
            slide.shapes.clone_placeholder(holder)
    for holder in slide.placeholders:
        if holder.placeholder_format.idx >= 10:
            holder.text = "repeated"
    assert "repeated" not in read(saved(presentation)).pages[0].text

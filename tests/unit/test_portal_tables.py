"""What cells of tables are told of their columns, for windows where they stand in one column."""

from portal.tables import with_columns_told


def test_each_cell_is_told_its_column():
    page = (
        "<p>a</p><table><thead><tr><th scope='col'>Data</th><th>Who <b>asks</b></th>"
        '<th><span class="hidden">Acts</span></th></tr></thead>'
        '<tbody><tr><th scope="row">x</th><td class="date">y</td><td>z</td></tr>'
        '<tr><td colspan="2">none</td><td>w</td></tr></tbody></table>'
    )
    told = with_columns_told(page)
    assert '<th scope="row" data-column="Data">x</th>' in told
    assert '<td class="date" data-column="Who asks">y</td>' in told
    assert '<td colspan="2">none</td><td data-column="Acts">w</td>' in told
    assert told.count("data-column") == 4
    assert told.startswith("<p>a</p><table><thead><tr><th scope='col'>Data</th>")


def test_what_has_no_head_and_what_is_quoted_stays_whole():
    plain = "<table><tbody><tr><th>a</th><td>b</td></tr></tbody></table>"
    assert with_columns_told(plain) == plain
    page = "<table><thead><tr><th>&#34;A&#34; &amp; B</th></tr></thead><tr><td>1</td></tr></table>"
    assert 'data-column="&#34;A&#34; &amp; B"' in with_columns_told(page)

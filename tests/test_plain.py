"""What commands print stands as it is: units in brackets, and what others named."""

from rich.table import Table

from ampacity.app.plain import plain_console


def test_units_and_names_in_brackets_are_no_styles(capsys):
    table = Table("", "clock [s]", "CPU [us]", "load [kW]", title="[b] of 2")
    table.add_row("[red]cable[/red] 7", "1.5", "20", "3")

    console = plain_console()
    console.print(table)
    console.print("[errno 5] at [/dev/x]")

    said = capsys.readouterr().out
    for words in ("clock [s]", "CPU [us]", "load [kW]", "[b] of 2", "[red]cable[/red] 7", "[errno 5] at [/dev/x]"):
        assert words in said


def test_what_goes_to_standard_error_does_not_go_to_programs(capsys):
    plain_console(stderr=True).print("for people [s]")

    assert capsys.readouterr() == ("", "for people [s]\n")

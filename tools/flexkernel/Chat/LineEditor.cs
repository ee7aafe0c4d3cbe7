using System.Globalization;
using System.Text;
using FlexKernel.Cli.Output;
using Spectre.Console.Rendering;

namespace FlexKernel.Cli.Chat;

/// <summary>The keys of a terminal, one by one.</summary>
internal interface IKeys
{
    /// <summary>Whether a key waits, as after a paste.</summary>
    bool IsWaiting { get; }

    /// <summary>The next key; null when there are no more.</summary>
    ConsoleKeyInfo? Read();
}

/// <summary>Reads what a person types on a terminal: several lines, with a history and completion by the tabulator.</summary>
/// <param name="keys">The keys.</param>
/// <param name="output">The terminal.</param>
/// <param name="width">Its columns.</param>
/// <param name="complete">The words that may follow a beginning.</param>
internal sealed class LineEditor(IKeys keys, TextWriter output, int width, Func<string, IReadOnlyList<string>> complete)
{
    private const string Continuation = ". ";
    private readonly List<string> _history = [];
    private readonly LineBuffer _line = new();
    private int _place;
    private int _rowOfCursor;
    private string _unfinished = "";

    /// <summary>Reads a text.</summary>
    /// <param name="prompt">Shown before it.</param>
    /// <returns>The text; null when the person wants to leave (Ctrl-D, or Ctrl-C on an empty line).</returns>
    public string? Read(string prompt)
    {
        _line.Set("");
        (_place, _rowOfCursor, _unfinished) = (_history.Count, 0, "");
        Draw(prompt);
        while (keys.Read() is { } key)
        {
            if (IsEnd(key))
            {
                if (_line.Text.Length == 0)
                {
                    output.WriteLine();
                    return null;
                }

                if (key.Key == ConsoleKey.C)
                {
                    _line.Set("");
                }
            }
            else if (key.Key == ConsoleKey.Enter && !IsLineBreak(key))
            {
                return Finish(prompt);
            }
            else
            {
                Edit(key);
            }

            // What is pasted is shown once.
            if (!keys.IsWaiting)
            {
                Draw(prompt);
            }
        }

        return null;
    }

    private static bool IsEnd(ConsoleKeyInfo key) =>
        key.Modifiers.HasFlag(ConsoleModifiers.Control) && key.Key is ConsoleKey.C or ConsoleKey.D && char.IsControl(key.KeyChar);

    private bool IsLineBreak(ConsoleKeyInfo key)
    {
        if (_line.Text.EndsWith('\\') && _line.Cursor == _line.Text.Length)
        {
            _line.Backspace();
            _line.Insert("\n");
            return true;
        }

        bool isBreak = key.Modifiers.HasFlag(ConsoleModifiers.Alt) || key.Modifiers.HasFlag(ConsoleModifiers.Shift) || keys.IsWaiting;
        if (isBreak)
        {
            _line.Insert("\n");
        }

        return isBreak;
    }

    private string Finish(string prompt)
    {
        _line.Set(_line.Text);
        Draw(prompt);
        output.WriteLine();
        output.Flush();
        if (_line.Text.Length > 0 && _history.LastOrDefault() != _line.Text)
        {
            _history.Add(_line.Text);
        }

        return _line.Text;
    }

    private void Edit(ConsoleKeyInfo key)
    {
        switch (key.Key, key.Modifiers.HasFlag(ConsoleModifiers.Control))
        {
            case (ConsoleKey.Enter, _):
                break;
            case (ConsoleKey.J, true):
                _line.Insert("\n");
                break;
            case (ConsoleKey.LeftArrow, _) or (ConsoleKey.B, true):
                _line.Move(-1);
                break;
            case (ConsoleKey.RightArrow, _) or (ConsoleKey.F, true):
                _line.Move(1);
                break;
            case (ConsoleKey.Home, _) or (ConsoleKey.A, true):
                _line.MoveHome();
                break;
            case (ConsoleKey.End, _) or (ConsoleKey.E, true):
                _line.MoveEnd();
                break;
            case (ConsoleKey.UpArrow, _) or (ConsoleKey.P, true):
                Recall(-1);
                break;
            case (ConsoleKey.DownArrow, _) or (ConsoleKey.N, true):
                Recall(1);
                break;
            case (ConsoleKey.Backspace, _):
                _line.Backspace();
                break;
            case (ConsoleKey.Delete, _):
                _line.Delete();
                break;
            case (ConsoleKey.W, true):
                _line.DeleteWord();
                break;
            case (ConsoleKey.U, true):
                _line.DeleteToHome();
                break;
            case (ConsoleKey.K, true):
                _line.DeleteToEnd();
                break;
            case (ConsoleKey.Tab, _):
                Complete();
                break;
            default:
                if (!char.IsControl(key.KeyChar))
                {
                    _line.Insert(key.KeyChar.ToString());
                }

                break;
        }
    }

    private void Recall(int direction)
    {
        if (_line.TryMoveLine(direction) || _place + direction < 0 || _place + direction > _history.Count)
        {
            return;
        }

        _unfinished = _place == _history.Count ? _line.Text : _unfinished;
        _place += direction;
        _line.Set(_place == _history.Count ? _unfinished : _history[_place]);
    }

    private void Complete()
    {
        string before = _line.Text[.._line.Cursor];
        IReadOnlyList<string> words = complete(before);
        if (words.Count == 0)
        {
            return;
        }

        int start = before.LastIndexOfAny([' ', ',']) + 1;
        string common = words[0];
        foreach (string word in words)
        {
            common = common[..common.AsSpan().CommonPrefixLength(word)];
        }

        _line.Insert(common[Math.Min(before.Length - start, common.Length)..] + (words.Count == 1 ? " " : ""));
    }

    // Everything is drawn anew from the first row: simple, and right after every edit.
    private void Draw(string prompt)
    {
        StringBuilder screen = new();
        screen.Append('\r');
        if (_rowOfCursor > 0)
        {
            screen.Append($"\e[{_rowOfCursor}A");
        }

        screen.Append("\e[J");
        (int row, int column) = (0, 0);
        (int Row, int Column) cursor = (0, 0);
        string[] lines = _line.Text.Split('\n');
        int position = 0;
        for (int i = 0; i < lines.Length; i++)
        {
            string lead = i == 0 ? prompt : Continuation;
            screen.Append(i == 0 ? "" : "\r\n").Append(lead);
            (row, column) = (i == 0 ? 0 : row + 1, lead.Length);
            foreach (string character in Characters(lines[i]))
            {
                cursor = position == _line.Cursor ? (row, column) : cursor;
                Put(character);
                position += character.Length;
            }

            cursor = position == _line.Cursor ? (row, column) : cursor;
            position++;
        }

        if (row > cursor.Row)
        {
            screen.Append($"\e[{row - cursor.Row}A");
        }

        screen.Append('\r');
        if (cursor.Column > 0)
        {
            screen.Append($"\e[{cursor.Column}C");
        }

        _rowOfCursor = cursor.Row;
        output.Write(screen);
        output.Flush();

        void Put(string character)
        {
            string shown = SafeText.ForTerminal(character == "\t" ? " " : character);
            int cells = new Segment(shown).CellCount();
            if (column + cells >= width)
            {
                screen.Append("\r\n");
                (row, column) = (row + 1, 0);
            }

            screen.Append(shown);
            column += cells;
        }
    }

    private static IEnumerable<string> Characters(string line)
    {
        TextElementEnumerator elements = StringInfo.GetTextElementEnumerator(line);
        while (elements.MoveNext())
        {
            yield return elements.GetTextElement();
        }
    }
}

using System.Globalization;

namespace FlexKernel.Cli.Chat;

/// <summary>Text being typed and the place in it; moves and deletes by what a reader takes for one character.</summary>
internal sealed class LineBuffer
{
    /// <summary>The text, with line breaks.</summary>
    public string Text { get; private set; } = "";

    /// <summary>UTF-16 units before the cursor.</summary>
    public int Cursor { get; private set; }

    /// <summary>Replaces everything; the cursor goes to the end.</summary>
    public void Set(string text) => (Text, Cursor) = (text, text.Length);

    /// <summary>Writes at the cursor.</summary>
    public void Insert(string text)
    {
        Text = Text.Insert(Cursor, text);
        Cursor += text.Length;
    }

    /// <summary>Moves by characters; stops at the ends.</summary>
    public void Move(int characters)
    {
        for (; characters < 0; characters++)
        {
            Cursor = Before();
        }

        for (; characters > 0; characters--)
        {
            Cursor = After();
        }
    }

    /// <summary>Goes to the beginning of the line.</summary>
    public void MoveHome() => Cursor = LineStart(Cursor);

    /// <summary>Goes to the end of the line.</summary>
    public void MoveEnd() => Cursor = LineEnd(Cursor);

    /// <summary>Goes to the line above or below, to the same column.</summary>
    /// <returns>False if there is none.</returns>
    public bool TryMoveLine(int direction)
    {
        int start = LineStart(Cursor), column = Cursor - start;
        if (direction < 0)
        {
            if (start == 0)
            {
                return false;
            }

            int above = LineStart(start - 1);
            Cursor = Math.Min(above + column, start - 1);
            return true;
        }

        int end = LineEnd(Cursor);
        if (end == Text.Length)
        {
            return false;
        }

        Cursor = Math.Min(end + 1 + column, LineEnd(end + 1));
        return true;
    }

    /// <summary>Deletes the character before the cursor.</summary>
    public void Backspace() => DeleteFrom(Before());

    /// <summary>Deletes the character after the cursor.</summary>
    public void Delete() => Text = Text.Remove(Cursor, After() - Cursor);

    /// <summary>Deletes the word before the cursor and the blanks behind it.</summary>
    public void DeleteWord()
    {
        int start = Cursor;
        while (start > 0 && char.IsWhiteSpace(Text[start - 1]))
        {
            start--;
        }

        while (start > 0 && !char.IsWhiteSpace(Text[start - 1]))
        {
            start--;
        }

        DeleteFrom(start);
    }

    /// <summary>Deletes from the beginning of the line to the cursor.</summary>
    public void DeleteToHome() => DeleteFrom(LineStart(Cursor));

    /// <summary>Deletes from the cursor to the end of the line.</summary>
    public void DeleteToEnd() => Text = Text.Remove(Cursor, LineEnd(Cursor) - Cursor);

    private void DeleteFrom(int start)
    {
        Text = Text.Remove(start, Cursor - start);
        Cursor = start;
    }

    private int After() => Cursor == Text.Length ? Cursor : Cursor + StringInfo.GetNextTextElementLength(Text, Cursor);

    private int Before()
    {
        int start = LineStart(Cursor), last = start;
        if (start == Cursor)
        {
            return Math.Max(Cursor - 1, 0);
        }

        while (start < Cursor)
        {
            last = start;
            start += StringInfo.GetNextTextElementLength(Text, start);
        }

        return last;
    }

    private int LineStart(int position) => position == 0 ? 0 : Text.LastIndexOf('\n', position - 1) + 1;

    private int LineEnd(int position) => Text.IndexOf('\n', position) is var end and >= 0 ? end : Text.Length;
}

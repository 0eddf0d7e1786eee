//! Where cells come from: a terminal, with a line editor, or a script.
//!
//! A cell is as many lines as it takes until it is [complete]; an empty line ends it in any
//! case.

use std::io::{self, BufRead, IsTerminal, Write};

use rustyline::{DefaultEditor, error::ReadlineError};

use crate::complete;

/// What was read.
pub(crate) enum Read {
    /// Some lines.
    Cell(String),
    /// Ctrl-C while a line was typed, which is dropped.
    Interrupted,
    /// Ctrl-D, or the end of the script.
    End,
}

/// Where cells come from.
pub(crate) enum Input {
    Terminal(Box<DefaultEditor>),
    Script,
}

impl Input {
    pub(crate) fn open() -> Result<Self, String> {
        if !io::stdin().is_terminal() {
            return Ok(Self::Script);
        }
        let editor = DefaultEditor::new().map_err(|error| error.to_string())?;
        Ok(Self::Terminal(Box::new(editor)))
    }

    /// Whether somebody sits there.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// The next cell, with its number in the prompt.
    pub(crate) fn read(&mut self, number: u32) -> Result<Read, String> {
        let first = format!("{number}> ");
        let more = format!("{:>1$} ", ".", first.len() - 1);
        let mut cell = String::new();
        loop {
            let prompt = if cell.is_empty() { &first } else { &more };
            let line = match self.line(prompt) {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => return Ok(Read::Interrupted),
                Err(ReadlineError::Eof) if cell.is_empty() => return Ok(Read::End),
                Err(ReadlineError::Eof) => break,
                Err(error) => return Err(error.to_string()),
            };
            cell.push_str(&line);
            if complete::is_complete(&cell) || line.trim().is_empty() {
                break;
            }
            cell.push('\n');
        }
        if let Self::Terminal(editor) = self
            && !cell.trim().is_empty()
        {
            // A history that is full or refuses repetitions is none of the user's business.
            let _ = editor.add_history_entry(&cell);
        }
        Ok(Read::Cell(cell))
    }

    fn line(&mut self, prompt: &str) -> Result<String, ReadlineError> {
        if let Self::Terminal(editor) = self {
            return editor.readline(prompt);
        }
        let mut output = io::stdout();
        output.write_all(prompt.as_bytes())?;
        output.flush()?;
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line)? == 0 {
            let _ = writeln!(output); // whoever closed the one may have closed the other
            return Err(ReadlineError::Eof);
        }
        Ok(line.trim_end_matches(['\n', '\r']).into())
    }
}

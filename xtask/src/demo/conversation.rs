//! What one connection says and hears, byte for byte. Pure: bytes in, judgement out.
//!
//! On connect the server says [`WELCOME`] and [`PROMPT`]; for every chunk it received it says
//! `Got: `, the chunk, and the prompt again. A line of 64 bytes sent by one write to a server
//! that waits for it arrives as one chunk.

const WELCOME: &[u8] = b"Welcome to the server pal, feel free to send me something!\n";
const PROMPT: &[u8] = b"-> ";
const ECHO: &[u8] = b"Got: ";

/// The length of a request, its newline included.
const LINE: usize = 64;

/// One connection's side of the talk.
pub(super) struct Conversation {
    /// Which connection this is; it stands in every line, so that answers cannot be swapped.
    number: usize,
    /// Requests sent so far.
    asked: u64,
    /// The last request.
    line: Vec<u8>,
    /// The whole answer that is due.
    due: Vec<u8>,
    /// How much of it has come.
    heard: usize,
}

/// How the talk stands after some bytes.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Heard {
    /// The answer is complete: it is our turn.
    All,
    /// More is to come.
    Part,
}

impl Conversation {
    /// A talk that begins with the server's welcome.
    pub(super) fn new(number: usize) -> Self {
        let due = [WELCOME, PROMPT].concat();
        Self {
            number,
            asked: 0,
            line: Vec::with_capacity(LINE),
            due,
            heard: 0,
        }
    }

    /// The next request to send; its answer is due from now on.
    pub(super) fn ask(&mut self) -> &[u8] {
        self.asked += 1;
        self.line.clear();
        self.line
            .extend(format!("connection {} request {} ", self.number, self.asked).bytes());
        // Bytes of any value come back as they are; a newline only ends the line.
        let filler = (0..u8::MAX).cycle().skip(self.asked as usize % 200);
        let room = LINE - 1 - self.line.len();
        self.line
            .extend(filler.filter(|byte| *byte != b'\n').take(room));
        self.line.push(b'\n');
        self.due.clear();
        for part in [ECHO, &self.line, PROMPT] {
            self.due.extend(part);
        }
        self.heard = 0;
        &self.line
    }

    /// Compares what came with what is due.
    ///
    /// # Errors
    /// The first byte that differs, with both texts.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Result<Heard, String> {
        let rest = &self.due[self.heard..];
        if rest.starts_with(bytes) {
            self.heard += bytes.len();
            let all = self.heard == self.due.len();
            return Ok(if all { Heard::All } else { Heard::Part });
        }
        let same = rest
            .iter()
            .zip(bytes)
            .take_while(|(due, came)| due == came)
            .count();
        Err(format!(
            "connection {}, request {}: byte {} of the answer differs\n  due:  \"{}\"\n  came: \"{}\"",
            self.number,
            self.asked,
            self.heard + same,
            rest.escape_ascii(),
            bytes.escape_ascii(),
        ))
    }

    /// Whether an answer is still due.
    pub(super) fn is_waiting(&self) -> bool {
        self.heard < self.due.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeted() -> Conversation {
        let mut talk = Conversation::new(7);
        assert_eq!(talk.hear(&WELCOME[..10]), Ok(Heard::Part));
        assert!(talk.is_waiting());
        assert_eq!(
            talk.hear(&[&WELCOME[10..], PROMPT].concat()),
            Ok(Heard::All)
        );
        talk
    }

    #[test]
    fn a_request_is_64_bytes_in_one_line_and_comes_back_between_got_and_the_prompt() {
        let mut talk = greeted();
        for _ in 0..300 {
            let line = talk.ask().to_vec();
            assert_eq!(line.len(), LINE);
            assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(LINE - 1));
            assert_eq!(talk.hear(&[ECHO, &line, PROMPT].concat()), Ok(Heard::All));
        }
    }

    #[test]
    fn a_wrong_byte_is_named() {
        let mut talk = greeted();
        let mut answer = [ECHO, talk.ask(), PROMPT].concat();
        answer[9] ^= 1;
        let error = talk.hear(&answer).unwrap_err();
        assert!(error.contains("connection 7, request 1: byte 9"), "{error}");
    }

    #[test]
    fn bytes_nobody_asked_for_are_an_error() {
        let mut talk = greeted();
        assert!(!talk.is_waiting());
        assert!(talk.hear(b"-> ").is_err());
        let answer = [ECHO, talk.ask(), PROMPT, b"x"].concat();
        assert!(talk.hear(&answer).is_err());
    }
}

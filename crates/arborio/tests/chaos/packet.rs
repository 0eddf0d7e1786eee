//! What a courier writes on the wire, and how it finds it again among pieces of others.
//!
//! ```text
//! start  kind  number  length  body  sum
//!   1     1      4       1     0-64   8     bytes
//! ```
//! A piece of a packet may be lost, come twice, or come later than the next packet. So the decoder looks for the next
//! byte that may be a start, and believes what follows only if the sum is right; otherwise it goes on one byte later.

/// The byte that a packet begins with; it may be elsewhere, too.
const START: u8 = 3;

/// Bytes before the body.
const HEAD: usize = 7;

/// Bytes behind it.
const SUM: usize = 8;

/// No body is longer.
const LONGEST: usize = 64;

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// It has a message.
    Message = 1,
    /// Its message has come.
    Receipt = 2,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Packet {
    pub(crate) kind: Kind,
    /// The number of the message.
    pub(crate) number: u32,
    pub(crate) body: Vec<u8>,
}

impl Packet {
    /// As it goes over the wire.
    pub(crate) fn encode(&self) -> Vec<u8> {
        assert!(self.body.len() <= LONGEST);
        let mut bytes = vec![START, self.kind as u8];
        bytes.extend(self.number.to_be_bytes());
        bytes.push(self.body.len() as u8);
        bytes.extend(&self.body);
        bytes.extend(sum(&bytes).to_be_bytes());
        bytes
    }
}

/// FNV-1a in 64 bits, with a last round of mixing: a hundred thousand seeds make some ten million wrong starts, so that 32
/// bits would believe one of them now and then.
fn sum(bytes: &[u8]) -> u64 {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325, step);
    (sum ^ (sum >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

/// Finds packets in what has come.
#[derive(Default)]
pub(crate) struct Decoder {
    bytes: Vec<u8>,
}

impl Decoder {
    /// More bytes have come.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next packet, if it is there.
    pub(crate) fn next(&mut self) -> Option<Packet> {
        let mut at = 0;
        loop {
            let starts = self.bytes[at..].iter().position(|byte| *byte == START);
            at = starts.map_or(self.bytes.len(), |offset| at + offset);
            match read(&self.bytes[at..]) {
                Found::Packet(packet, length) => {
                    self.bytes.drain(..at + length);
                    return Some(packet);
                }
                Found::TooShort => {
                    self.bytes.drain(..at);
                    return None;
                }
                Found::Nothing => at += 1,
            }
        }
    }
}

/// What begins with a start.
enum Found {
    /// With its length.
    Packet(Packet, usize),
    /// It may be a packet, if more comes.
    TooShort,
    Nothing,
}

fn read(bytes: &[u8]) -> Found {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else {
        return Found::TooShort;
    };
    let [_, kind, number @ .., length] = *head;
    let length = usize::from(length);
    let kind = match kind {
        1 => Kind::Message,
        2 => Kind::Receipt,
        _ => return Found::Nothing,
    };
    if length > LONGEST {
        return Found::Nothing;
    }
    let Some((body, rest)) = rest.split_at_checked(length) else {
        return Found::TooShort;
    };
    let Some(said) = rest.first_chunk::<SUM>() else {
        return Found::TooShort;
    };
    if sum(&bytes[..HEAD + length]) != u64::from_be_bytes(*said) {
        return Found::Nothing;
    }
    let packet = Packet {
        kind,
        number: u32::from_be_bytes(number),
        body: body.to_vec(),
    };
    Found::Packet(packet, HEAD + length + SUM)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u32) -> Packet {
        Packet {
            kind: Kind::Message,
            number,
            body: vec![START; 5],
        }
    }

    #[test]
    fn packets_are_found_whatever_the_pieces_and_what_lies_between() {
        let mut wire = message(1).encode();
        wire.truncate(wire.len() - 3); // its end is lost
        wire.extend(message(2).encode());
        wire.extend([START, 1, START]);
        wire.extend(message(3).encode());
        wire.extend(message(4).encode());
        for size in 1..wire.len() {
            let (mut decoder, mut found) = (Decoder::default(), Vec::new());
            for piece in wire.chunks(size) {
                decoder.push(piece);
                while let Some(packet) = decoder.next() {
                    found.push(packet);
                }
            }
            assert_eq!(found, [2, 3, 4].map(message), "pieces of {size}");
        }
    }
}

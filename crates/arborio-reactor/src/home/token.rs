//! What the kernel is given with a descriptor, and gives back with an event.
//!
//! That is a number, never a pointer: the descriptor (which is the
//! key of the table) and a serial number that no two registrations of a table
//! share. An event that was collected before its source left finds another
//! serial, or nothing, and wakes nobody. Serials wrap after 2^32 registrations;
//! a stale event lives for one batch.

use std::{
    hash::{Hash, Hasher},
    os::fd::RawFd,
};

use mio::Token;

/// Token of the notifier's eventfd. No descriptor is negative, so the lower
/// half of a source's token never has its top bit set.
pub(crate) const NOTIFIER: Token = Token(usize::MAX);
/// Token of the timer descriptor.
pub(crate) const TIMER: Token = Token(usize::MAX - 1);

const _: () = assert!(
    usize::BITS == 64,
    "a token holds a descriptor and a serial number"
);

/// Token of the epoll of another reactor, whose loop is held up.
pub(super) const ATTENDED: Token = Token(usize::MAX - 2);

/// One registration: where its event data points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Serial(pub(super) u32);

/// The key of the table. Found by its descriptor alone; the serial is kept
/// with it, and not with the source, because so an entry is two words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registered {
    pub(super) fd: RawFd,
    pub(super) serial: Serial,
}

impl PartialEq for Registered {
    fn eq(&self, other: &Self) -> bool {
        self.fd == other.fd
    }
}

impl Eq for Registered {}

impl Hash for Registered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_i32(self.fd);
    }
}

impl Registered {
    /// The event data of this registration.
    pub(super) fn token(self) -> Token {
        Token(self.fd.cast_unsigned() as usize | (self.serial.0 as usize) << 32)
    }

    /// The inverse of [`Registered::token`].
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the halves are cut apart on purpose"
    )]
    pub(super) fn of(Token(bits): Token) -> Self {
        Self {
            fd: (bits as u32).cast_signed(),
            serial: Serial((bits >> 32) as u32),
        }
    }
}

/// Descriptors are small and dense, so one multiplication spreads them.
#[derive(Debug, Default)]
pub(super) struct DescriptorHasher(u64);

impl Hasher for DescriptorHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_i32(&mut self, fd: i32) {
        self.write_u64(u64::from(fd.cast_unsigned()));
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 divided by the golden ratio (Fibonacci hashing).
        let product = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // The table takes its buckets from the low bits and its tags from the
        // high ones; a product is good only in the latter.
        self.0 = product ^ (product >> 32);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_fixed_tokens_are_different_ones() {
        let fixed = HashSet::from([NOTIFIER, TIMER, ATTENDED]);
        assert_eq!(fixed.len(), 3);
    }

    #[test]
    fn a_token_gives_back_its_parts_and_is_never_one_of_the_fixed_ones() {
        for fd in [0, 1, RawFd::MAX] {
            for serial in [0, 1, u32::MAX] {
                let serial = Serial(serial);
                let token = Registered { fd, serial }.token();
                let parts = Registered::of(token);
                assert_eq!((parts.fd, parts.serial), (fd, serial));
                assert!(token != NOTIFIER && token != TIMER);
            }
        }
    }

    #[test]
    fn a_registration_is_found_by_its_descriptor_alone() {
        let of = |fd, serial| {
            let serial = Serial(serial);
            Registered { fd, serial }
        };
        assert!(of(3, 1) == of(3, 2));
        assert!(of(3, 1) != of(4, 1));
    }

    /// A table takes its buckets from the low bits of a hash, and tells the members of a bucket apart by the high ones.
    #[test]
    fn descriptors_are_spread_over_the_table() {
        // Close to each other, or with gaps: not every descriptor of a process is in this table.
        for (step, least) in [(1, 600), (16, 512)] {
            let hashes = (0..1024).map(|number| {
                let mut hasher = DescriptorHasher::default();
                let (fd, serial) = (number * step, Serial(7));
                Registered { fd, serial }.hash(&mut hasher);
                hasher.finish()
            });
            let hashes: Vec<u64> = hashes.collect();
            let different = |part: fn(u64) -> u64| {
                let parts = hashes.iter().map(|&hash| part(hash));
                parts.collect::<HashSet<_>>().len()
            };
            let (buckets, tags) = (different(|hash| hash % 1024), different(|hash| hash >> 57));
            assert!(
                buckets > least && tags == 128,
                "{step}: {buckets} buckets, {tags} tags"
            );
        }
    }

    #[test]
    fn other_keys_are_spread_by_each_of_their_bytes() {
        let hash = |bytes: &[u8]| {
            let mut hasher = DescriptorHasher::default();
            hasher.write(bytes);
            hasher.finish()
        };
        assert_eq!(hash(b"ab"), hash(b"ab"));
        assert_ne!(hash(b"ab"), hash(b"b"));
        assert_ne!(hash(b"ab"), hash(b"ba"));
        assert_ne!(hash(b"ab"), hash(b"bb"));
        let different: HashSet<_> = (0..=u8::MAX).map(|last| hash(&[b'a', last])).collect();
        assert_eq!(different.len(), 256);
    }
}

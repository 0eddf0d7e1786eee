//! Any bytes are a list of operations on a wheel, which must do what a binary
//! heap does. The first byte chooses where time starts.
//!
//! Run with `cargo +nightly fuzz run wheel_vs_heap` in `crates/arborio-timers`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/wheel_model.rs"]
mod wheel_model;

use wheel_model::{Op, Pair};

/// The model compares everything after each operation, so long inputs are slow
/// and find nothing that short ones do not.
const MOST_OPERATIONS: usize = 256;

fuzz_target!(|bytes: &[u8]| {
    let Some((&start, bytes)) = bytes.split_first() else {
        return;
    };
    let mut pair = Pair::new(u64::MAX >> (start % 64));
    for op in bytes.chunks_exact(4).take(MOST_OPERATIONS) {
        let bits = u16::from_le_bytes([op[2], op[3]]);
        pair.step(Op::decode(op[0], op[1], bits), op[0] & 0x80 != 0);
    }
    pair.finish();
});

//! A hint for the processor, where it takes one.

/// Says that the `size` bytes at `address` will be touched soon, so that they are fetched
/// meanwhile. Nothing is read here, so any address will do.
///
/// It pays where a chain of objects is walked that is longer than the caches, and the
/// object after the next is known: waiting for memory costs as much as three hundred
/// instructions.
///
/// # Examples
/// ```
/// let words = [7; 100];
/// arborio_base::prefetch(words.as_ptr().cast(), size_of_val(&words));
/// assert_eq!(words[99], 7);
/// ```
#[inline]
pub fn prefetch(address: *const u8, size: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    for line in (0..size).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86_64 has this instruction, and it fails at no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.wrapping_add(line).cast()) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = (address, size);
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn any_address_will_do() {
        for address in [ptr::null(), ptr::without_provenance(usize::MAX)] {
            prefetch(address, 1000);
        }
    }
}

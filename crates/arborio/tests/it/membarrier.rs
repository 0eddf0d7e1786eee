//! What the system can do for those who watch polls. The tests of pools look here, too.

/// Whether the system helps to find out which task is in a long poll: `membarrier` makes fences on all threads.
pub(crate) fn polls_are_named() -> bool {
    // SAFETY: the call takes numbers and touches no memory of ours.
    let commands = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_QUERY, 0, 0) };
    let wanted = libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED;
    commands > 0 && commands & i64::from(wanted) != 0
}

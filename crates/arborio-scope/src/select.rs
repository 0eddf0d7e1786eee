//! `select!`: the first branch that is ready; the others are dropped.

/// Waits for the first of several futures, and gives the value of its branch.
///
/// ```text
/// select! {
///     pattern = future => expression,
///     ...
/// }
/// ```
///
/// The futures are polled in this task, in the order in which they are written, at each
/// wake: if several are ready, the first of them wins. Then all of them are **dropped**, and
/// after that the expression of the winner is evaluated; it may `return`, `break` or use
/// `?`. A future that is given as `&mut future` goes on living. The patterns must match
/// always, and there must be at least one branch.
///
/// Losers are dropped, not asked: the cleanup of a [`finally`](crate::finally()) in them
/// does not run, and a [`catch_cancel`](crate::catch_cancel()) catches nothing. Where losers
/// must clean up, use [`race`](crate::race()). A future whose docs do not call it
/// cancel-safe loses what it has done so far.
///
/// # Cancel safety
/// If the whole is dropped, so are the futures.
///
/// # Examples
/// ```
/// use arborio_scope::select;
/// use std::future::{pending, ready};
/// futures_lite::future::block_on(async {
///     let word = select! {
///         () = pending::<()>() => "never",
///         (number, _) = ready((5, 'x')) => if number == 5 { "five" } else { "another" },
///     };
///     assert_eq!(word, "five");
/// });
/// ```
#[macro_export]
macro_rules! select {
    // All branches are known: their futures get names (each from an expansion of its own,
    // so they differ), are polled in turn, and are gone before a branch is chosen. The
    // winner is `Ok` behind as many `Err`s as there are branches before it.
    (@branches [$(($name:ident $pattern:pat, $future:expr, $branch:expr))+]) => {
        {
            let winner = match ($(::core::future::IntoFuture::into_future($future),)+) {
                ($($name,)+) => {
                    $(let mut $name = ::core::pin::pin!($name);)+
                    ::core::future::poll_fn(|cx| {
                        $crate::select!(@poll cx [] $($name)+);
                        ::core::task::Poll::Pending
                    })
                    .await
                }
            };
            $crate::select!(@choose winner $(($pattern, $branch))+)
        }
    };

    (@poll $cx:ident [$($before:tt)*] $name:ident $($others:ident)*) => {
        if let ::core::task::Poll::Ready(output) =
            ::core::future::Future::poll($name.as_mut(), $cx)
        {
            let output = ::core::result::Result::Ok(output);
            $(let output = $crate::select!(@behind $before output);)*
            return ::core::task::Poll::Ready(output);
        }
        $crate::select!(@poll $cx [$($before)* x] $($others)*);
    };
    (@poll $cx:ident [$($before:tt)*]) => {};
    (@behind $before:tt $output:ident) => {
        ::core::result::Result::Err($output)
    };

    (@choose $winner:ident ($pattern:pat, $branch:expr)) => {
        match $winner {
            ::core::result::Result::Ok($pattern) => $branch,
            ::core::result::Result::Err(never) => $crate::never(never),
        }
    };
    (@choose $winner:ident ($pattern:pat, $branch:expr) $($others:tt)+) => {
        match $winner {
            ::core::result::Result::Ok($pattern) => $branch,
            ::core::result::Result::Err(winner) => {
                $crate::select!(@choose winner $($others)+)
            }
        }
    };

    // One branch after the other.
    (@parse [$($branches:tt)*]) => {
        $crate::select!(@branches [$($branches)*])
    };
    (@parse [$($branches:tt)*] $pattern:pat = $future:expr => $branch:block, $($others:tt)*) => {
        $crate::select!(@parse [$($branches)* (future $pattern, $future, $branch)] $($others)*)
    };
    (@parse [$($branches:tt)*] $pattern:pat = $future:expr => $branch:block $($others:tt)*) => {
        $crate::select!(@parse [$($branches)* (future $pattern, $future, $branch)] $($others)*)
    };
    (@parse [$($branches:tt)*] $pattern:pat = $future:expr => $branch:expr, $($others:tt)*) => {
        $crate::select!(@parse [$($branches)* (future $pattern, $future, $branch)] $($others)*)
    };
    (@parse [$($branches:tt)*] $pattern:pat = $future:expr => $branch:expr) => {
        $crate::select!(@parse [$($branches)* (future $pattern, $future, $branch)])
    };

    () => {
        ::core::compile_error!("a select needs at least one branch")
    };
    ($($branches:tt)+) => {
        $crate::select!(@parse [] $($branches)+)
    };
}

/// There is no branch behind the last one.
#[doc(hidden)]
pub fn never<T>(never: std::convert::Infallible) -> T {
    match never {}
}

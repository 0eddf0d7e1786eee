//! The attributes `#[arborio::main]` and `#[arborio::test]`. Use them through the crate `arborio`.
//!
//! # What comes out
//! ```text
//! #[arborio::main(workers = 4)]              /// Attributes and visibility stay outside.
//! /// Attributes and visibility stay   ──►   pub(crate) fn main() -> io::Result<()> {
//! /// outside.                                   async fn main() -> io::Result<()> { .. }
//! pub(crate) async fn main()                     ::arborio::Pool::builder().workers(4).run(main())
//!     -> io::Result<()> { .. }               }
//! ```
//!
//! The async function goes inside as it was written, token by token. So the compiler checks it as
//! it would without the attribute and points at the same places; and no name is made up, so none can
//! collide with one of the program.
//!
//! Where something is wrong, it goes inside all the same, as an async function that nobody calls,
//! beside the error: its body is checked and what it uses counts as used, so that the one error is
//! not hidden among others that follow from it.
//!
//! | file          | knows                                                            |
//! |---------------|------------------------------------------------------------------|
//! | `function.rs` | the parts of a function                                          |
//! | `options.rs`  | what may stand in the brackets, and what does not go together    |
//! | `refusal.rs`  | an error of the compiler, and where it points                    |
//! | `tokens.rs`   | the little that is needed to put tokens together                 |
#![forbid(unsafe_code)]

mod function;
mod options;
mod refusal;
mod tokens;

use proc_macro::TokenStream;

use crate::{
    function::Function,
    options::{Options, Purpose},
    refusal::Refusal,
    tokens::{braced, code},
};

/// Makes an async function the beginning of a program: the function runs on an event loop on the
/// calling thread, and what it returns is what the program returns.
///
/// It has no arguments, and may return whatever a `main` may, `Result` included.
///
/// | option             | meaning                                                                 |
/// |--------------------|-------------------------------------------------------------------------|
/// | `workers = N`      | a pool of `N` workers instead of a loop; this thread is the first       |
/// | `workers`          | a pool with a worker for each processor                                 |
/// | `crate = "path"`   | where the crate `arborio` is found, if it has another name              |
///
/// The function stays on this thread, so it need not be `Send`, also that of a pool.
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    expand(Purpose::Main, options, item)
}

/// Makes an async function a test: each run has an event loop of its own.
///
/// It takes the place of `#[test]`, and goes with `#[should_panic]` and `#[ignore]`. The test may
/// return a `Result`.
///
/// | option              | meaning                                                                |
/// |---------------------|------------------------------------------------------------------------|
/// | `clock = "virtual"` | time jumps to the next deadline when every task waits                  |
/// | `seed = N`          | permutes what has no order by contract, as a function of `N`           |
/// | `workers = N`       | a pool of `N` workers instead of a loop; this thread is the first      |
/// | `workers`           | a pool with a worker for each processor                                |
/// | `crate = "path"`    | where the crate `arborio` is found, if it has another name             |
///
/// A pool runs on the real clock and has no seed.
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    expand(Purpose::Test, options, item)
}

fn expand(purpose: Purpose, options: TokenStream, item: TokenStream) -> TokenStream {
    let Some(function) = Function::split(item.clone()) else {
        let text = format!(
            "{} stands before an async function with a body: {}",
            purpose.attribute(),
            purpose.pattern()
        );
        let mut out = Refusal::of(item.clone(), text).into_tokens();
        out.extend(item);
        return out;
    };
    let refusal = function.refuse(purpose);
    let (body, refusal) = match (refusal, Options::read(purpose, options)) {
        (None, Ok(options)) => (options.run(function.call()), None),
        (Some(refusal), _) | (None, Err(refusal)) => {
            let body = code("::core::unreachable!(\"the program is refused\")");
            (body, Some(refusal))
        }
    };
    let mut out = TokenStream::new();
    let lenient = refusal.is_some();
    if purpose == Purpose::Test && !lenient {
        out.extend(code("#[::core::prelude::v1::test]"));
    }
    let mut inside = function.inside(lenient);
    inside.extend(body);
    out.extend(function.outside(lenient));
    out.extend(braced(inside));
    out.extend(refusal.map(Refusal::into_tokens));
    out
}

//! Finds out which auto traits a type has, and on what that depends.

use std::{
    cell::Cell,
    fmt,
    marker::PhantomData,
    panic::UnwindSafe,
    pin::Pin,
    sync::MutexGuard,
    task::{Context, Poll},
};

/// A type that is asked what it is.
pub(crate) struct Of<X: ?Sized>(PhantomData<X>);

/// What is true of a type of which nothing else is known: an inherent constant goes before
/// the one of a trait, and there is one if its bound holds.
pub(crate) trait No {
    const SEND: bool = false;
    const SYNC: bool = false;
    const UNPIN: bool = false;
    const UNWIND_SAFE: bool = false;
}

impl<X: ?Sized> No for Of<X> {}

impl<X: ?Sized + Send> Of<X> {
    pub(crate) const SEND: bool = true;
}

impl<X: ?Sized + Sync> Of<X> {
    pub(crate) const SYNC: bool = true;
}

impl<X: ?Sized + Unpin> Of<X> {
    pub(crate) const UNPIN: bool = true;
}

impl<X: ?Sized + UnwindSafe> Of<X> {
    pub(crate) const UNWIND_SAFE: bool = true;
}

/// A parameter that has all of them.
pub(crate) type Whole = u8;
/// `Send` and not `Sync`; `UnwindSafe` and not `RefUnwindSafe`.
pub(crate) type Inner = PhantomData<Cell<u8>>;
/// `Sync` and not `Send`.
pub(crate) type Bound = PhantomData<MutexGuard<'static, u8>>;
/// Neither.
pub(crate) type Neither = PhantomData<*const Cell<u8>>;
/// Not `Unpin`.
pub(crate) type Pinned = std::marker::PhantomPinned;
/// `RefUnwindSafe` and not `UnwindSafe`.
pub(crate) type Lent = PhantomData<&'static mut u8>;
/// Neither of the two.
pub(crate) type LentCell = PhantomData<&'static mut Cell<u8>>;

/// A future that gives a parameter, and has what the parameter has.
pub(crate) struct Gives<X>(PhantomData<X>);

impl<X> Future for Gives<X> {
    type Output = X;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<X> {
        Poll::Pending
    }
}

/// With the first, with the two halves, and with neither.
type Four = [bool; 4];

/// A type, and what is true of it.
pub(crate) struct Row {
    pub(crate) text: &'static str,
    pub(crate) send: Four,
    pub(crate) sync: Four,
    /// With a parameter that is `Unpin`, and with one that is not.
    pub(crate) unpin: [bool; 2],
    pub(crate) unwind_safe: Four,
}

/// What the answers for a parameter that is both, this, that, and neither, mean.
fn condition(answers: Four, this: &str, that: &str) -> String {
    match answers {
        [true, true, true, true] => "yes".to_owned(),
        [false, false, false, false] => "no".to_owned(),
        [true, true, false, false] => format!("if {this}"),
        [true, false, true, false] => format!("if {that}"),
        [true, false, false, false] => format!("if {this} + {that}"),
        _ => format!("{answers:?}"),
    }
}

impl Row {
    fn name(&self) -> String {
        let words: Vec<_> = self.text.split_whitespace().collect();
        words.join(" ").replace("arborio::", "")
    }

    /// Its name without parameters.
    pub(crate) fn path(&self) -> String {
        let name = self.name();
        let end = name.find('<').unwrap_or(name.len());
        name[..end].to_owned()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unpin = match self.unpin {
            [true, true] => "yes",
            [false, false] => "no",
            _ => "if Unpin",
        };
        write!(
            f,
            "| `{}` | {} | {} | {unpin} | {} |",
            self.name().replace("'static", "'_"),
            condition(self.send, "Send", "Sync"),
            condition(self.sync, "Send", "Sync"),
            condition(self.unwind_safe, "UnwindSafe", "RefUnwindSafe"),
        )
    }
}

/// Rows of a table. A type may have the parameters `T`; `F`, a future of that; `E`, an error;
/// `I`, futures.
macro_rules! rows {
    ($($row:ty),+ $(,)?) => {
        vec![$($crate::probe::Row {
            text: stringify!($row),
            send: $crate::probe::answers!(SEND, $row, [Whole, Inner, Bound, Neither]),
            sync: $crate::probe::answers!(SYNC, $row, [Whole, Inner, Bound, Neither]),
            unpin: $crate::probe::answers!(UNPIN, $row, [Whole, Pinned]),
            unwind_safe: $crate::probe::answers!(UNWIND_SAFE, $row, [Whole, Inner, Lent, LentCell]),
        }),+]
    };
}

macro_rules! answers {
    ($trait:ident, $row:ty, [$($parameter:ident),+]) => {
        [$({
            #[allow(dead_code, reason = "not every type has every parameter")]
            type T = $crate::probe::$parameter;
            #[allow(dead_code, reason = "not every type has every parameter")]
            type F = $crate::probe::Gives<T>;
            #[allow(dead_code, reason = "not every type has every parameter")]
            type E = std::io::Error;
            #[allow(dead_code, reason = "not every type has every parameter")]
            type I = std::vec::IntoIter<F>;
            #[allow(unused_imports, reason = "the constant may be an inherent one")]
            use $crate::probe::No as _;
            <$crate::probe::Of<$row>>::$trait
        }),+]
    };
}

pub(crate) use {answers, rows};

#[test]
fn the_probes_tell_types_apart() {
    use std::{
        rc::Rc,
        sync::{Arc, Mutex},
    };
    let rows: Vec<Row> = rows![Rc<T>, Arc<T>, Mutex<T>, Box<F>, F, &'static T, Vec<I>];
    let rows: Vec<_> = rows.iter().map(ToString::to_string).collect();
    assert_eq!(rows[0], "| `Rc<T>` | no | no | yes | if RefUnwindSafe |");
    assert_eq!(
        rows[1],
        "| `Arc<T>` | if Send + Sync | if Send + Sync | yes | if RefUnwindSafe |"
    );
    assert_eq!(
        rows[2],
        "| `Mutex<T>` | if Send | if Send | if Unpin | yes |"
    );
    assert_eq!(
        rows[3],
        "| `Box<F>` | if Send | if Sync | yes | if UnwindSafe |"
    );
    assert_eq!(
        rows[4],
        "| `F` | if Send | if Sync | if Unpin | if UnwindSafe |"
    );
    assert_eq!(
        rows[5],
        "| `&'_ T` | if Sync | if Sync | yes | if RefUnwindSafe |"
    );
}

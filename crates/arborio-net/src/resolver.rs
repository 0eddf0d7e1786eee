//! The hook for host names.
//!
//! Looking a name up needs a thread pool or a protocol of its own, and this
//! crate knows neither. Whoever has one installs it once for the process: a program the one that it
//! wants, a runtime the one that is used as long as the program has installed none.

use std::{fmt, io, net::SocketAddr, pin::Pin, sync::OnceLock};

/// A look-up under way.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

type Resolver = Box<dyn Fn(String, u16) -> Resolving + Send + Sync>;

/// What the program has installed.
static RESOLVER: OnceLock<Resolver> = OnceLock::new();

/// What its runtime has installed.
static FALLBACK: OnceLock<fn(String, u16) -> Resolving> = OnceLock::new();

/// A resolver is installed already, and stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolverIsSet;

impl fmt::Display for ResolverIsSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a resolver is installed already")
    }
}

impl std::error::Error for ResolverIsSet {}

/// Installs the function that looks host names up for this process. It is
/// given the name and the port.
///
/// # Errors
/// [`ResolverIsSet`] at the second call.
///
/// # Examples
/// ```
/// use std::net::{Ipv4Addr, SocketAddr};
/// let here = |_host, port| -> arborio_net::Resolving {
///     Box::pin(async move { Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))]) })
/// };
/// assert!(arborio_net::set_resolver(here).is_ok());
/// assert!(arborio_net::set_resolver(here).is_err(), "the first one stays");
/// ```
pub fn set_resolver(
    resolver: impl Fn(String, u16) -> Resolving + Send + Sync + 'static,
) -> Result<(), ResolverIsSet> {
    RESOLVER.set(Box::new(resolver)).map_err(|_| ResolverIsSet)
}

/// Installs the function that looks host names up as long as the program has not called
/// [`set_resolver`]. For runtimes; the first one stays.
///
/// # Errors
/// [`ResolverIsSet`] at the second call.
///
/// # Examples
/// ```
/// use std::net::{Ipv4Addr, SocketAddr};
/// fn here(_host: String, port: u16) -> arborio_net::Resolving {
///     Box::pin(async move { Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))]) })
/// }
/// assert!(arborio_net::set_fallback_resolver(here).is_ok());
/// assert!(arborio_net::set_fallback_resolver(here).is_err(), "the first one stays");
/// assert!(arborio_net::set_resolver(here).is_ok(), "a program has the last word");
/// ```
pub fn set_fallback_resolver(resolver: fn(String, u16) -> Resolving) -> Result<(), ResolverIsSet> {
    FALLBACK.set(resolver).map_err(|_| ResolverIsSet)
}

/// The addresses of `host`, each with `port`.
pub(crate) async fn resolve(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    let looking = match (RESOLVER.get(), FALLBACK.get()) {
        (Some(resolver), _) => resolver(host, port),
        (None, Some(fallback)) => fallback(host, port),
        (None, None) => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{host:?} is a host name, and no resolver is installed"),
            ));
        }
    };
    looking.await
}

//! What names the address of a socket.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
};

use crate::resolver;

/// Something that names one or more socket addresses.
///
/// Implemented for [`SocketAddr`] and its two kinds, an IP address with a port,
/// a slice of socket addresses, and text such as `"127.0.0.1:80"` or
/// `"[::1]:80"`. Text that is a host name is given to the resolver that
/// [`set_resolver`](crate::set_resolver) installed; without one it is an
/// `InvalidInput` error. This trait is sealed: what it asks for may change.
///
/// # Examples
/// ```
/// use arborio_net::TcpListener;
/// use futures_lite::future::block_on;
/// use std::net::Ipv4Addr;
/// block_on(async {
///     let by_parts = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
///     let by_text = TcpListener::bind("127.0.0.1:0").await?;
///     assert_ne!(by_parts.local_addr()?.port(), by_text.local_addr()?.port());
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub trait ToAddrs: Sealed {}

/// Keeps [`ToAddrs`] closed.
pub trait Sealed {
    /// What is named.
    fn named(&self) -> Named;
}

/// What a [`ToAddrs`] names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// Addresses, to be tried in turn.
    Addrs(Vec<SocketAddr>),
    /// A host, for the resolver.
    Host(String, u16),
    /// Text that is neither.
    Nonsense(String),
}

impl Named {
    /// The addresses; at least one.
    pub(crate) async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        let addrs = match self {
            Self::Addrs(addrs) => addrs,
            Self::Host(host, port) => resolver::resolve(host, port).await?,
            Self::Nonsense(text) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("{text:?} is not an address with a port"),
                ));
            }
        };
        if addrs.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "there is no address to use",
            ));
        }
        Ok(addrs)
    }
}

impl<T: Sealed + ?Sized> Sealed for &T {
    fn named(&self) -> Named {
        (**self).named()
    }
}
impl<T: ToAddrs + ?Sized> ToAddrs for &T {}

impl Sealed for SocketAddr {
    fn named(&self) -> Named {
        Named::Addrs(vec![*self])
    }
}
impl ToAddrs for SocketAddr {}

impl Sealed for SocketAddrV4 {
    fn named(&self) -> Named {
        SocketAddr::V4(*self).named()
    }
}
impl ToAddrs for SocketAddrV4 {}

impl Sealed for SocketAddrV6 {
    fn named(&self) -> Named {
        SocketAddr::V6(*self).named()
    }
}
impl ToAddrs for SocketAddrV6 {}

impl Sealed for (IpAddr, u16) {
    fn named(&self) -> Named {
        SocketAddr::from(*self).named()
    }
}
impl ToAddrs for (IpAddr, u16) {}

impl Sealed for (Ipv4Addr, u16) {
    fn named(&self) -> Named {
        SocketAddr::from(*self).named()
    }
}
impl ToAddrs for (Ipv4Addr, u16) {}

impl Sealed for (Ipv6Addr, u16) {
    fn named(&self) -> Named {
        SocketAddr::from(*self).named()
    }
}
impl ToAddrs for (Ipv6Addr, u16) {}

impl Sealed for [SocketAddr] {
    fn named(&self) -> Named {
        Named::Addrs(self.to_vec())
    }
}
impl ToAddrs for [SocketAddr] {}

impl<const N: usize> Sealed for [SocketAddr; N] {
    fn named(&self) -> Named {
        self.as_slice().named()
    }
}
impl<const N: usize> ToAddrs for [SocketAddr; N] {}

impl Sealed for Vec<SocketAddr> {
    fn named(&self) -> Named {
        self.as_slice().named()
    }
}
impl ToAddrs for Vec<SocketAddr> {}

impl Sealed for (&str, u16) {
    fn named(&self) -> Named {
        let (host, port) = *self;
        match host.parse::<IpAddr>() {
            Ok(ip) => (ip, port).named(),
            Err(_) => host_or_nonsense(host, port, host),
        }
    }
}
impl ToAddrs for (&str, u16) {}

impl Sealed for str {
    fn named(&self) -> Named {
        if let Ok(addr) = self.parse::<SocketAddr>() {
            return addr.named();
        }
        match self
            .rsplit_once(':')
            .map(|(host, port)| (host, port.parse()))
        {
            Some((host, Ok(port))) => host_or_nonsense(host, port, self),
            _ => Named::Nonsense(self.to_owned()),
        }
    }
}
impl ToAddrs for str {}

impl Sealed for String {
    fn named(&self) -> Named {
        self.as_str().named()
    }
}
impl ToAddrs for String {}

/// No name of a host is empty or has a colon, a blank or a NUL in it.
fn host_or_nonsense(host: &str, port: u16, text: &str) -> Named {
    let strange = |c: char| c == ':' || c == '[' || c == '\0' || c.is_whitespace();
    if host.is_empty() || host.contains(strange) {
        Named::Nonsense(text.to_owned())
    } else {
        Named::Host(host.to_owned(), port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_addresses_names_are_hosts_and_the_rest_is_nonsense() {
        let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 80));
        assert_eq!("127.0.0.1:80".named(), Named::Addrs(vec![v4]));
        assert_eq!("[::1]:80".to_owned().named(), Named::Addrs(vec![v6]));
        assert_eq!(("127.0.0.1", 80).named(), Named::Addrs(vec![v4]));
        assert_eq!([v4, v6].named(), Named::Addrs(vec![v4, v6]));
        let host = Named::Host("example.org".to_owned(), 80);
        assert_eq!("example.org:80".named(), host);
        assert_eq!(("example.org", 80).named(), host);
        for text in [
            "",
            ":80",
            "example.org",
            "a:b:80",
            "a:65536",
            "a b:1",
            "a\0b:1",
            "[a:1",
            "[::1",
        ] {
            assert_eq!(text.named(), Named::Nonsense(text.to_owned()), "{text:?}");
        }
    }
}

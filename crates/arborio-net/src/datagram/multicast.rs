//! Multicast: one datagram for all members of a group.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::UdpSocket;

impl UdpSocket {
    /// Joins an IPv4 group: what is sent to `group` and comes in by the interface
    /// with the address `interface` is received. `UNSPECIFIED` leaves the choice
    /// of the interface to the system.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`: `InvalidInput` for an address that is no group,
    /// `AddrInUse` for one that was joined already, and others.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// # use std::net::Ipv4Addr;
    /// let socket = block_on(arborio_net::UdpSocket::bind("0.0.0.0:0"))?;
    /// let (group, any) = (Ipv4Addr::new(224, 0, 0, 251), Ipv4Addr::LOCALHOST);
    /// socket.join_multicast_v4(group, any)?;
    /// assert!(socket.join_multicast_v4(group, any).is_err(), "it is a member");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.get_ref().join_multicast_v4(&group, &interface)
    }

    /// Leaves an IPv4 group that was joined by the same interface.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`: `AddrNotAvailable` if it was not.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// # use std::net::Ipv4Addr;
    /// let socket = block_on(arborio_net::UdpSocket::bind("0.0.0.0:0"))?;
    /// let (group, any) = (Ipv4Addr::new(224, 0, 0, 251), Ipv4Addr::LOCALHOST);
    /// assert!(socket.leave_multicast_v4(group, any).is_err(), "it is no member");
    /// socket.join_multicast_v4(group, any)?;
    /// assert!(socket.leave_multicast_v4(group, any).is_ok());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.get_ref().leave_multicast_v4(&group, &interface)
    }

    /// As [`join_multicast_v4`](Self::join_multicast_v4), for IPv6 and the
    /// interface with the number `interface`; 0 leaves the choice to the system.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// # use std::net::Ipv6Addr;
    /// let Ok(socket) = block_on(arborio_net::UdpSocket::bind("[::]:0")) else {
    ///     return Ok(()); // no IPv6 here
    /// };
    /// let group = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0, 0xfb);
    /// if socket.join_multicast_v6(group, 1).is_ok() {
    ///     assert!(socket.join_multicast_v6(group, 1).is_err(), "it is a member");
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.get_ref().join_multicast_v6(&group, interface)
    }

    /// Leaves an IPv6 group that was joined by the same interface.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`: `AddrNotAvailable` if it was not.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// # use std::net::Ipv6Addr;
    /// let Ok(socket) = block_on(arborio_net::UdpSocket::bind("[::]:0")) else {
    ///     return Ok(()); // no IPv6 here
    /// };
    /// let group = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0, 0xfb);
    /// assert!(socket.leave_multicast_v6(group, 1).is_err(), "it is no member");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.get_ref().leave_multicast_v6(&group, interface)
    }

    /// Whether what this socket sends to an IPv4 group comes to members on this
    /// machine too, to itself among them (`IP_MULTICAST_LOOP`); the kernel's
    /// default is true.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// let socket = block_on(arborio_net::UdpSocket::bind("0.0.0.0:0"))?;
    /// socket.set_multicast_loop_v4(false)?;
    /// assert!(!socket.multicast_loop_v4()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_multicast_loop_v4(&self, back: bool) -> io::Result<()> {
        self.io.get_ref().set_multicast_loop_v4(back)
    }

    /// See [`set_multicast_loop_v4`](Self::set_multicast_loop_v4).
    ///
    /// # Errors
    /// Those of `getsockopt(2)`.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// let socket = block_on(arborio_net::UdpSocket::bind("0.0.0.0:0"))?;
    /// assert!(socket.multicast_loop_v4()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.io.get_ref().multicast_loop_v4()
    }

    /// As [`set_multicast_loop_v4`](Self::set_multicast_loop_v4), for IPv6.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// let Ok(socket) = block_on(arborio_net::UdpSocket::bind("[::]:0")) else {
    ///     return Ok(()); // no IPv6 here
    /// };
    /// socket.set_multicast_loop_v6(false)?;
    /// assert!(!socket.multicast_loop_v6()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_multicast_loop_v6(&self, back: bool) -> io::Result<()> {
        self.io.get_ref().set_multicast_loop_v6(back)
    }

    /// See [`set_multicast_loop_v6`](Self::set_multicast_loop_v6).
    ///
    /// # Errors
    /// Those of `getsockopt(2)`.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// let Ok(socket) = block_on(arborio_net::UdpSocket::bind("[::]:0")) else {
    ///     return Ok(()); // no IPv6 here
    /// };
    /// assert!(socket.multicast_loop_v6()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.io.get_ref().multicast_loop_v6()
    }

    /// How many routers a datagram to an IPv4 group may pass
    /// (`IP_MULTICAST_TTL`); the kernel's default is 1, which is this network.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// let socket = block_on(arborio_net::UdpSocket::bind("0.0.0.0:0"))?;
    /// socket.set_multicast_ttl_v4(3)?;
    /// assert_eq!(socket.multicast_ttl_v4()?, 3);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_multicast_ttl_v4(&self, hops: u32) -> io::Result<()> {
        self.io.get_ref().set_multicast_ttl_v4(hops)
    }

    /// See [`set_multicast_ttl_v4`](Self::set_multicast_ttl_v4).
    ///
    /// # Errors
    /// Those of `getsockopt(2)`.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// let socket = block_on(arborio_net::UdpSocket::bind("0.0.0.0:0"))?;
    /// assert_eq!(socket.multicast_ttl_v4()?, 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.io.get_ref().multicast_ttl_v4()
    }
}

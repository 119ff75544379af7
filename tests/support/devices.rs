//! Conversations through devices, whatever libraries they run on.

use super::ScratchDir;
use super::patterns::{MIB, Pattern, TRANSPORTS, address, settle};
use super::peer::{Kind, Peer};

/// Two sockets, joined: `front` is bound for the asking side, `back` bound to or connected with the other.
struct Device {
    kind: Kind,
    front: String,
    back: (&'static str, String),
}

impl Device {
    /// The device, not yet running, for it must know its connections first.
    fn open(&self, pattern: &Pattern) -> Result<Peer, String> {
        let mut device = Peer::new(self.kind);
        for (socket, how, address) in [(pattern.b, "bind", &self.front), (pattern.a, self.back.0, &self.back.1)] {
            device.ask(&format!("open {socket} raw"))?;
            if socket == "SUB" {
                device.ask("subscribe")?;
            }
            if pattern.has_header() {
                device.ask(&format!("maxsize {}", 2 * MIB))?;
            }
            device.ask(&format!("{how} {address}"))?;
        }
        Ok(device)
    }

    fn start(device: &mut Peer) -> Result<(), String> {
        for socket in 0..2 {
            device.ask(&format!("use {socket}"))?;
            device.ask("peers 1")?;
        }
        device.ask("device").map(drop)
    }
}

/// a - device - ... - device - b; the devices change between the transports.
pub fn through_devices(pattern: &Pattern, a: Kind, devices: &[Kind], b: Kind, large: usize) -> Result<(), String> {
    let dir = ScratchDir::new();
    let addresses: Vec<_> = (0..=devices.len()).map(|hop| address(TRANSPORTS[hop % TRANSPORTS.len()], &dir)).collect();
    let mut chain = Vec::new();
    // From the far end, so that nothing has to be retried.
    for hop in (0..devices.len()).rev() {
        let how = if hop + 1 == devices.len() { "bind" } else { "connect" };
        let device =
            Device { kind: devices[hop], front: addresses[hop].clone(), back: (how, addresses[hop + 1].clone()) };
        chain.push(device.open(pattern)?);
    }
    let (mut a, mut b) = (Peer::open(a, pattern.a)?, Peer::open(b, pattern.b)?);
    a.ask(&format!("connect {}", addresses[0]))?;
    b.ask(&format!("connect {}", addresses.last().unwrap()))?;
    settle(&mut [&mut a, &mut b], 1)?;
    chain.iter_mut().try_for_each(Device::start)?;
    pattern.converse(&mut a, &mut b, large)?;
    // A device ends, and lets its process go on, when its sockets are closed.
    chain.iter_mut().try_for_each(|device| device.ask("close").map(drop))
}

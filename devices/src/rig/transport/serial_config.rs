//! Which serial port a target names.

/// A serial port and its speed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialConfig {
    /// Path such as `/dev/ttyACM0`, or a name such as `COM3`; `None` is found by its USB identity.
    pub path: Option<String>,
    /// USB vendor and product number.
    pub usb: Option<(u16, u16)>,
    /// USB serial number.
    pub usb_serial: Option<String>,
    /// Bits a second; ignored by native USB ports.
    pub baud: u32,
}

//! A real device as a physical layer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nalgebra::{DMatrix, DVector};

use super::error::RigError;
use super::host::{Host, Identity, Patience};
use super::message::Health;
use super::monitor::Monitor;
use super::options::RigOptions;
use super::pump::Pump;
use super::registry;
use super::served_twin::ServedTwin;
use super::shared::Shared;
use super::target::Target;
use super::token::Token;
use super::transport::Transport;
use super::values::Encoding;
use super::work::Work;
use crate::raster::{self, Side};
use crate::{DeviceError, Interface, PhysicalLayer};

/// Longest period of the keeper; a short watchdog needs a shorter one.
const LOOK_IN: Duration = Duration::from_millis(250);

/// A real device.
///
/// ```no_run
/// use twinprop_devices::rig::{Rig, RigOptions, Target};
/// use twinprop_devices::{Boundary, PhysicalLayer, SlewLimit};
///
/// let target: Target = "serial:///dev/ttyACM0?baud=1000000".parse()?;
/// let rig = Rig::open(&target, RigOptions::default())?;
/// println!("{}: {}", rig.interface().device, rig.interface().inputs);
/// // Small steps where the device asks for them, and nothing out of range.
/// let device = Boundary::new(Box::new(SlewLimit::new(rig)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Between batches a thread feeds the device's watchdog. When the rig is dropped, on an error, and on
/// [`make_all_safe`](super::make_all_safe), the device is sent to its safe state, and the rig waits until it has
/// confirmed that. If the program is killed, the device goes to its safe state when the link ends or its watchdog
/// expires. A rig that is dropped without a confirmed safe state is noted in
/// [`may_be_driven`](super::may_be_driven).
pub struct Rig {
    target: String,
    interface: Interface,
    identity: Identity,
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
}

impl Rig {
    /// Opens the device at `target`.
    ///
    /// # Errors
    /// [`DeviceError::Rig`] where no device answers.
    pub fn open(target: &Target, options: RigOptions) -> Result<Self, DeviceError> {
        let transport = target.transport().map_err(|problem| DeviceError::Rig {
            target: target.to_string(),
            error: RigError::Link(problem),
        })?;
        let retries = target.retries().unwrap_or(options.retries);
        let patience = Patience { retries, ..Patience::default() };
        Self::on(transport, &target.to_string(), patience, options.encoding)
    }

    /// Opens the device at the other end of `transport`, called `target` in messages.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`RigError::NotSafe`] where this program released the device before without a
    /// confirmed safe state; [`RigError::Interrupted`] where the program is releasing all devices.
    pub fn on(
        transport: Box<dyn Transport>,
        target: &str,
        patience: Patience,
        encoding: Encoding,
    ) -> Result<Self, DeviceError> {
        let fault = |error| DeviceError::Rig { target: target.to_owned(), error };
        // A direct cable or a child process needs no token.
        let token = if transport.is_network() { Token::from_environment() } else { Ok(None) };
        let token = token.map_err(|problem| fault(RigError::UnfitToken(problem)))?;
        let host = Host::new(patience, encoding).with_token(token);
        let shared = Arc::new(Shared::new(target, Pump::new(target, host, transport)));
        if registry::is_noted(target) {
            let problem =
                "it did not confirm its safe state when this program released it".to_owned();
            return Err(shared.fault(RigError::NotSafe { problem, after: None }));
        }
        // From here on it is released in any case, also while it is being opened.
        registry::enter(&shared).map_err(fault)?;
        let opened = shared.pump().open(&shared.stop);
        if let Err(error) = opened {
            registry::release(&shared);
            return Err(shared.fault(error));
        }
        let identity = shared.pump().host().identity().cloned();
        let identity = identity.expect("a device that answered hello is known");
        let keeper = keep(&shared, identity.greeting.watchdog_milliseconds);
        Ok(Self {
            target: target.to_owned(),
            interface: identity.description.interface.clone(),
            identity,
            shared,
            keeper: Some(keeper),
        })
    }

    /// Sends the device to its safe state and waits until it has confirmed that; the next batch drives it
    /// again. A device that confirmed it since the last shot is not asked again.
    ///
    /// # Errors
    /// [`DeviceError::Rig`] with [`RigError::NotSafe`] where it did not confirm: it may still be driven.
    pub fn make_safe(&self) -> Result<(), DeviceError> {
        registry::make_safe(&self.shared)
    }

    /// The identity of the device.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The device's twin, if it says that it has one. The twin shares the link with the rig, and ends with it.
    #[must_use]
    pub fn twin(&self) -> Option<ServedTwin> {
        let has_one = self.identity.greeting.twin;
        has_one.then(|| ServedTwin::new(self.interface.clone(), Arc::clone(&self.shared)))
    }

    /// A monitor of the link, for other threads.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        Monitor::new(self.target.clone(), self.identity.clone(), Arc::clone(&self.shared))
    }

    /// Asks for the device's health; `None` where it does not answer.
    ///
    /// # Errors
    /// [`DeviceError::Rig`] where the link is lost.
    pub fn health(&self) -> Result<Option<Health>, DeviceError> {
        let mut pump = self.shared.pump();
        pump.ask_health(Duration::from_secs(1)).map_err(|error| self.shared.fault(error))?;
        Ok(pump.host().health())
    }
}

/// Starts the keeper, which sends a frame at least three times in the watchdog's interval.
fn keep(shared: &Arc<Shared>, watchdog_milliseconds: u32) -> JoinHandle<()> {
    let watchdog = Duration::from_millis(u64::from(watchdog_milliseconds));
    let period = if watchdog.is_zero() { LOOK_IN } else { LOOK_IN.min(watchdog / 8) };
    let shared = Arc::downgrade(shared);
    thread::spawn(move || {
        loop {
            thread::park_timeout(period);
            let Some(shared) = shared.upgrade() else { return };
            if shared.stop.load(Ordering::Relaxed) {
                return;
            }
            // During a batch its frames feed the watchdog.
            if let Some(mut pump) = shared.idle_pump() {
                pump.look_after();
            }
        }
    })
}

impl PhysicalLayer for Rig {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, outputs)?;
        // In bits any other value would become a spike.
        raster::check_shots(&self.interface, Side::Drives, inputs.as_slice())?;
        let pump = self.shared.ask(Work::Play, parameters.as_slice(), inputs.as_slice())?;
        self.shared.shots.fetch_add(inputs.ncols() as u64, Ordering::Relaxed);
        outputs.copy_from_slice(pump.host().outputs());
        Ok(())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(keeper) = self.keeper.take() {
            keeper.thread().unpark();
            // A panic of the keeper changes nothing here.
            let _ = keeper.join();
        }
        registry::release(&self.shared);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::optical::{SecondHarmonic, SecondHarmonicConfig};
    use crate::rig::registry::Registry;
    use crate::rig::transport::Tcp;
    use crate::rig::{Emulator, EmulatorConfig};

    /// A rig over a socket, and a counter of calls of its safe function.
    fn rig() -> (Rig, Arc<AtomicUsize>) {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let device = SecondHarmonic::nominal(&SecondHarmonicConfig::default());
        let device = Box::new(device.expect("the standard device can be built"));
        let emulator = Emulator::new(device, "bench", EmulatorConfig::default());
        let mut emulator = emulator.with_safe_function(1.0, move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a host comes");
            emulator.serve(&mut Tcp::accepted(stream).expect("it is open"), |_| {})
        });
        let link = Box::new(Tcp::new(&address));
        let rig = Rig::on(link, &address, Patience::default(), Encoding::Floats);
        (rig.expect("it answers"), runs)
    }

    #[test]
    fn a_device_without_shots_runs_its_safe_function_before_it_confirms() {
        let (rig, runs) = rig();
        let health = || rig.health().expect("it answers").expect("it says how it is");
        assert!(!health().safe);
        rig.make_safe().expect("it confirms it");
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        assert_eq!((health().safe, health().watchdog_trips), (true, 0));
        rig.make_safe().expect("it has confirmed it");
        drop(rig);
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn no_rig_opens_while_all_are_released_and_one_locked_by_this_thread_is_not_waited_for() {
        let registry = Registry::new();
        let ((held, _), (other, runs)) = (rig(), rig());
        for rig in [&held, &other] {
            registry.enter(&rig.shared).expect("rigs are still opened");
        }
        let pump = held.shared.pump();
        let told = registry.make_all_safe();
        assert!(told.len() == 1 && told[0].contains(&held.target), "{told:?}");
        assert!(told[0].contains("before the program aborted"), "{told:?}");
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        assert_eq!(registry.enter(&other.shared), Err(RigError::Interrupted));
        drop(pump);
        assert!(!held.shared.is_held_by_this_thread());
        assert!(registry.make_all_safe().is_empty(), "it has confirmed its safe state since");
    }
}

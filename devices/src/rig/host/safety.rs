//! The safe state: requested once, and accepted only when the device confirms it.

use std::time::Duration;

use super::Host;
use super::state::{Asked, Safety};
use crate::rig::frame::{Frame, Kind};
use crate::rig::message::Description;
use crate::rig::refusal::Refusal;

/// First period of repeated requests; it doubles each time.
const FIRST_PERIOD: Duration = Duration::from_millis(500);
/// Longest period of repeated requests.
const LONGEST_PERIOD: Duration = Duration::from_secs(2);
/// Longest wait for shots in flight, if the device does not send that it is busy.
const LONGEST_SHOTS: Duration = Duration::from_secs(60);
/// Wait for the next busy frame; a device sends it twice a second during shots.
const NEXT_BUSY: Duration = Duration::from_secs(1);
/// Margin for the link, beyond the time that the device declares.
const MARGIN: Duration = Duration::from_secs(2);
/// First number of a request, apart from the numbers of a session's frames.
const FIRST_NUMBER: u32 = 1 << 31;

impl Host {
    /// Requests the safe state, in which the device forgets its parameters. Does nothing if it was requested or
    /// confirmed, or has failed, since the last shot.
    pub fn make_safe(&mut self) {
        if self.safety != Safety::Unknown {
            return;
        }
        self.safe_requests += 1;
        self.safety = Safety::Asked(Asked {
            number: FIRST_NUMBER + self.safe_requests,
            next_send: Duration::ZERO,
            period: FIRST_PERIOD,
            sent: false,
            first_sent: None,
            shots: self.expected().min(LONGEST_SHOTS),
            played: None,
        });
        self.configure_again();
    }

    /// Whether the safe state has been requested and not answered.
    #[must_use]
    pub fn awaits_safe(&self) -> bool {
        matches!(self.safety, Safety::Asked(_))
    }

    /// Whether the device has confirmed its safe state.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.safety == Safety::Confirmed
    }

    /// Why the safe state was not reached or confirmed, if it failed.
    #[must_use]
    pub fn safety_problem(&self) -> Option<&str> {
        match &self.safety {
            Safety::Failed(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether the device is still busy with shots before the safe state.
    #[must_use]
    pub fn plays_before_safe(&self, now: Duration) -> bool {
        matches!(self.safety, Safety::Asked(Asked { played: Some(time), .. }) if now <= time + NEXT_BUSY)
    }

    /// Timeout of the request for the safe state; longer while the device is busy with shots.
    #[must_use]
    pub fn safe_time(&self) -> Duration {
        let shots = match self.safety {
            Safety::Asked(Asked { shots, .. }) => shots,
            _ => Duration::ZERO,
        };
        self.declared_safe_time() + shots + MARGIN
    }

    /// The time to reach the safe state that the device declares.
    pub fn declared_safe_time(&self) -> Duration {
        self.identity.as_ref().map_or_else(
            || Duration::from_secs_f64(Description::SAFE_SECONDS),
            |identity| identity.description.safe_time(),
        )
    }

    /// After the link was reopened: sends the request again; the device may ask for a proof first.
    pub fn ask_safe_again(&mut self, now: Duration) {
        self.decoder.reset();
        self.greet(now);
        if let Safety::Asked(asked) = &mut self.safety {
            (asked.sent, asked.period) = (false, FIRST_PERIOD);
        }
    }

    /// Sets the outcome without an answer: the device's program has ended, or does not answer.
    pub fn settle_safety(&mut self, outcome: Result<(), String>) {
        self.safety = match outcome {
            Ok(()) => Safety::Confirmed,
            Err(problem) => Safety::Failed(problem),
        };
    }

    /// When to send the request again.
    pub(super) fn safe_deadline(&self) -> Option<Duration> {
        match &self.safety {
            Safety::Asked(asked) => Some(asked.next_send),
            _ => None,
        }
    }

    /// The request for the safe state, if it is due.
    pub(super) fn due_safe_request(&mut self, now: Duration) -> Option<u32> {
        let Safety::Asked(asked) = &mut self.safety else { return None };
        if asked.sent && now < asked.next_send {
            return None;
        }
        asked.next_send = now + asked.period;
        asked.period = (2 * asked.period).min(LONGEST_PERIOD);
        asked.sent = true;
        asked.first_sent.get_or_insert(now);
        Some(asked.number)
    }

    /// Takes a frame about the safe state; `None` for other frames.
    pub(super) fn take_safety(&mut self, now: Duration, frame: &Frame<'_>) -> Option<bool> {
        let header = &frame.header;
        // Frames of a session have a setting of the parameters; a request for the safe state has none.
        let answers = |asked: &Asked| asked.number == header.sequence && header.epoch == 0;
        let is_answer = matches!(&self.safety, Safety::Asked(asked) if answers(asked));
        match header.kind {
            Kind::SafeReply => {
                if is_answer {
                    self.safety = Safety::Confirmed;
                }
                Some(is_answer)
            }
            Kind::Busy if is_answer => {
                if let Safety::Asked(asked) = &mut self.safety {
                    (asked.next_send, asked.period) = (now + LONGEST_PERIOD, LONGEST_PERIOD);
                }
                Some(true)
            }
            Kind::Busy => {
                let Safety::Asked(asked) = &mut self.safety else { return None };
                let so_far = now.saturating_sub(asked.first_sent?);
                let shots = (so_far + NEXT_BUSY).min(self.patience.busy);
                (asked.shots, asked.played) = (asked.shots.max(shots), Some(now));
                self.wait_for_busy_device(now);
                Some(true)
            }
            Kind::Error => {
                let code = u16::from_le_bytes(*frame.payload.first_chunk::<2>()?);
                let failed = Refusal::of(code) == Some(Refusal::SafeFailed);
                if !(failed || is_answer) {
                    return None;
                }
                let text = String::from_utf8_lossy(&frame.payload[2..]).into_owned();
                self.safety = Safety::Failed(format!("its safe state failed: {text}"));
                // If shots failed before, this ends them too.
                is_answer.then_some(true)
            }
            _ => None,
        }
    }
}

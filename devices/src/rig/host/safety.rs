//! The safe state: asked for once, and believed only where the device confirms it.

use std::time::Duration;

use super::Host;
use super::state::{Asked, Safety};
use crate::rig::frame::{Frame, Kind};
use crate::rig::message::Description;
use crate::rig::refusal::Refusal;

/// A request that nothing is heard of is sent again after this time, then after twice as long.
const FIRST_PERIOD: Duration = Duration::from_millis(500);
/// The longest time between two requests.
const LONGEST_PERIOD: Duration = Duration::from_secs(2);
/// Longest time that shots on the way are waited for, where the device does not say that it is at them.
const LONGEST_SHOTS: Duration = Duration::from_secs(60);
/// A device that is at its shots says so twice a second: they may take so long from each time on.
const NEXT_BUSY: Duration = Duration::from_secs(1);
/// What is added to the time that the device says it may take, for its link.
const MARGIN: Duration = Duration::from_secs(2);
/// Requests are numbered from here on, apart from the frames of a session.
const FIRST_NUMBER: u32 = 1 << 31;

impl Host {
    /// Asks the device for its safe state, where it forgets its parameters; not where that is under way,
    /// was confirmed, or was asked for in vain since the last shot.
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

    /// Whether the safe state is asked for, and the device has not answered yet.
    #[must_use]
    pub fn awaits_safe(&self) -> bool {
        matches!(self.safety, Safety::Asked(_))
    }

    /// Whether the device is in its safe state for certain.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.safety == Safety::Confirmed
    }

    /// Why the device is not known to be safe although it was asked, if that is so.
    #[must_use]
    pub fn safety_problem(&self) -> Option<&str> {
        match &self.safety {
            Safety::Failed(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether the device, asked for its safe state, says that it is still at the shots before.
    #[must_use]
    pub fn plays_before_safe(&self, now: Duration) -> bool {
        matches!(self.safety, Safety::Asked(Asked { played: Some(time), .. }) if now <= time + NEXT_BUSY)
    }

    /// Time that the device may take to answer the request for its safe state; longer while it says that it
    /// is still at the shots before.
    #[must_use]
    pub fn safe_time(&self) -> Duration {
        let shots = match self.safety {
            Safety::Asked(Asked { shots, .. }) => shots,
            _ => Duration::ZERO,
        };
        self.declared_safe_time() + shots + MARGIN
    }

    /// Time that the device says it may take to reach its safe state.
    pub fn declared_safe_time(&self) -> Duration {
        self.identity.as_ref().map_or_else(
            || Duration::from_secs_f64(Description::SAFE_SECONDS),
            |identity| identity.description.safe_time(),
        )
    }

    /// The link was opened again: the request is sent again, and the device may want to know who asks.
    pub fn ask_safe_again(&mut self, now: Duration) {
        self.decoder.reset();
        self.greet(now);
        if let Safety::Asked(asked) = &mut self.safety {
            (asked.sent, asked.period) = (false, FIRST_PERIOD);
        }
    }

    /// The answer is known otherwise: the device's program has ended, or will not answer.
    pub fn settle_safety(&mut self, outcome: Result<(), String>) {
        self.safety = match outcome {
            Ok(()) => Safety::Confirmed,
            Err(problem) => Safety::Failed(problem),
        };
    }

    /// When the request is to be sent again.
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

    /// Takes what the device says of its safe state; nothing if the frame is about something else.
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
                // Of shots that failed, it is the end as well.
                is_answer.then_some(true)
            }
            _ => None,
        }
    }
}

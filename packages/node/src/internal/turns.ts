/** Who has had its share of a turn of the event loop, and goes on behind everybody who can be read in this one. */
export interface Patient {
  /** It is its turn again. */
  readonly resume: () => void
}

export const nextTurn = (patient: Patient): void => {
  if (waiting.push(patient) > 1) return
  setImmediate(() => {
    const all = waiting
    waiting = []
    for (const patient of all) patient.resume()
  })
}

let waiting: Array<Patient> = []

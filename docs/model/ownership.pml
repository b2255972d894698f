/*
 * Who has a session, and the numbers of attachments: invariants I2 and I3 of docs/ARCHITECTURE.md.
 *
 * One session, which is opened, perhaps renewed once, moved, written behind, drained; two security pods that any
 * call may reach. EPOCHS leaves only what numbers of attachments depend on. README.md says what each step is in the code, and what is left out.
 */
#ifndef STARTS
#define STARTS 2 /* restarts in all */
#endif
#ifndef ATTACHES
#ifdef EPOCHS
#define ATTACHES 4
#else
#define ATTACHES 0
#endif
#endif
#define PODS 2

/* The database: version of the record, 0: none. */
byte row;
/* What a look-up has found; 0 between the steps. */
byte best;

/* Pods. */
bool up[PODS];
byte held[PODS];        /* version; 0: not held */
byte behind[PODS];      /* version that is still to be written, held any more or not; 0: none */
byte pointer[PODS];     /* version that it gave to the other, and can give again; 0: none */
byte arriving[PODS];    /* a hand-over's answer on its way to this pod */
byte busy[PODS];        /* it looks the session up: 1 in the database, 2 elsewhere, 3 elsewhere, the database being away */

/* What the device was told: the version it has, and the one that was said to be stored. */
byte known;
byte promised;
/* The time of version 1 is over; that of version 2 is not. */
bool late;
bool crashed;

/* Attachments. */
byte incarnation[PODS];
byte counter[PODS];
byte starts;
byte attaches;
int given;              /* epochs, as bits: (STARTS + 3) * ATTACHES must be at most 31 */
#define epoch(p) (incarnation[p] * ATTACHES + counter[p])
#define over(v) (late && (v) < 2)

inline write(who) {
#ifdef ROW_WITHOUT_VERSION
  row = behind[who];
#else
  row = (behind[who] > row -> behind[who] : row);
#endif
  behind[who] = 0
}

/* Takes a record of that version: HeldSessions.put. */
inline take(who, version) {
#ifdef NO_VERSION_COMPARE
  held[who] = version
#else
  held[who] = (version > held[who] -> version : held[who])
#endif
}

inline writeBehind(who, version) {
  behind[who] = (version > behind[who] -> version : behind[who])
}

inline better(version) {
  best = (version > best -> version : best)
}

/* The look-up has come to `best`: 0 is SESSION_UNKNOWN, a version that is over is SESSION_EXPIRED. */
inline conclude(who) {
  busy[who] = 0;
#ifndef FORGETS_WHAT_ARRIVED
  /* The other may have pushed it meanwhile, and what this pod gave away may be newer than what it gets. */
  better(held[who]); better(pointer[who]);
#endif
  pointer[who] = 0;
  if
  :: best == 0 || over(best) ->
    printf("pod %d says that the session is over, having found version %d\n", who, best);
    /* I3: what was promised is there, whatever crashed; what was opened at all is there if nothing crashed. */
    assert(promised == 0 || (promised == 1 && late));
    assert(crashed || known == 0 || (known == 1 && late))
  :: else ->
    printf("pod %d has found version %d\n", who, best);
    take(who, best);
    if
    :: row < best -> writeBehind(who, best)
    :: else
    fi
  fi;
  best = 0
}

proctype pod(byte p) {
#ifdef EPOCHS
/* Epochs and restarts are bounded, and nothing else happens: having used them up is no deadlock. */
end:
#endif
  do
  /* ---- opening, renewing: session-owner.ts, persister.ts ----------------------------------------------------- */
  :: d_step { up[p] && known == 0 && row == 0 && held[1 - p] == 0 ->
    printf("pod %d opens the session, and stores it\n", p);
    held[p] = 1;
#ifndef ACKNOWLEDGE_BEFORE_STORED
    row = 1;
#else
    behind[p] = 1;
#endif
    known = 1; promised = 1 }
  :: d_step { up[p] && known == 0 && row == 0 && held[1 - p] == 0 ->
    printf("pod %d opens the session; it is to be written behind\n", p);
    held[p] = 1; behind[p] = 1; known = 1 }
#ifndef EPOCHS
  :: d_step { up[p] && held[p] == 1 && known == 1 && !over(1) && busy[p] == 0 && behind[p] == 0 ->
    printf("pod %d renews the session, and stores that\n", p);
    held[p] = 2; behind[p] = 2; write(p); known = 2; promised = 2 }
  :: d_step { up[p] && held[p] == 1 && known == 1 && !over(1) && busy[p] == 0 ->
    printf("pod %d renews the session; that is to be written behind\n", p);
    held[p] = 2; behind[p] = 2; known = 2 }
  :: d_step { up[p] && behind[p] > 0 ->
    printf("pod %d writes version %d behind\n", p, behind[p]);
    write(p) }

  /* ---- looking up: find-elsewhere.ts -------------------------------------------------------------------------- */
  :: d_step { up[p] && busy[p] == 0 && known > 0 && (held[p] == 0 || over(held[p])) ->
    printf("pod %d looks the session up\n", p);
    busy[p] = 1 }
  :: d_step { up[p] && busy[p] == 1 ->
    if
    :: row > 0 && !over(row) -> best = row; conclude(p)
    :: else -> printf("pod %d finds nothing good in the database\n", p); busy[p] = 2
    fi }
  :: d_step { up[p] && busy[p] == 1 ->
    printf("pod %d cannot reach the database\n", p); busy[p] = 3 }
  :: d_step { up[p] && busy[p] >= 2 && arriving[p] == 0 && up[1 - p] && held[1 - p] > 0 ->
    best = held[1 - p];
#ifndef FORGETS_WHAT_ARRIVED
    better(pointer[1 - p]);
#endif
    printf("pod %d gives version %d\n", 1 - p, best);
    arriving[p] = best;
#ifndef GIVES_AND_FORGETS
    pointer[1 - p] = best;
#endif
    best = 0;
    held[1 - p] = 0 }
  :: d_step { up[p] && busy[p] >= 2 && arriving[p] == 0 && up[1 - p] && held[1 - p] == 0 && pointer[1 - p] > 0 ->
    printf("pod %d gives again what it gave\n", 1 - p);
    arriving[p] = pointer[1 - p] }
  :: d_step { arriving[p] > 0 && busy[p] >= 2 ->
#ifndef OLD_ANSWER_COUNTS
    if
    :: busy[p] == 3 && over(arriving[p]) ->
      /* A newer version may be in the database. */
      printf("pod %d cannot tell\n", p); busy[p] = 0
    :: else -> best = (busy[p] == 2 -> row : 0); better(arriving[p]); conclude(p)
    fi;
#else
    best = (busy[p] == 2 -> row : 0); better(arriving[p]); conclude(p);
#endif
    arriving[p] = 0 }
  :: d_step { arriving[p] > 0 ->
    printf("the answer to pod %d is lost\n", p);
    arriving[p] = 0; busy[p] = 0 }
  /* The other has nothing (or is known to be down): only what this pod itself gave away is left. */
  :: d_step { up[p] && busy[p] == 2 && arriving[p] == 0 && (!up[1 - p] || (held[1 - p] == 0 && pointer[1 - p] == 0)) ->
    best = row; better(pointer[p]); conclude(p) }
  /* Somebody does not answer. */
  :: d_step { up[p] && busy[p] == 2 && arriving[p] == 0 && up[1 - p] ->
#ifdef OLD_ANSWER_COUNTS
    if
    :: row > 0 -> best = row; conclude(p)
    :: else -> printf("pod %d cannot tell\n", p); busy[p] = 0
    fi
#else
    printf("pod %d cannot tell\n", p); busy[p] = 0
#endif
  }
  :: d_step { up[p] && busy[p] == 3 && arriving[p] == 0 ->
    printf("pod %d cannot tell\n", p); busy[p] = 0 }
  /* What is stored may be dropped for want of room. */
  :: d_step { up[p] && held[p] > 0 && behind[p] == 0 && row >= held[p] ->
    printf("pod %d drops the session\n", p);
    held[p] = 0 }

#endif
  /* ---- attaching: epochs.ts ------------------------------------------------------------------------------------- */
  :: d_step { up[p] && known > 0 && attaches < ATTACHES ->
    printf("pod %d gives the epoch %d of incarnation %d\n", p, counter[p], incarnation[p]);
    /* I2 */
    assert((given & (1 << epoch(p))) == 0);
    given = given | (1 << epoch(p));
    attaches++; counter[p]++ }

  /* ---- stopping, crashing, starting ------------------------------------------------------------------------------ */
  :: d_step { up[p] && up[1 - p] && busy[p] == 0 && starts < STARTS ->
    printf("pod %d pushes what is not stored to the other, and stops\n", p);
#ifndef STOPS_WITHOUT_PUSH
    if
    :: behind[p] > 0 -> take(1 - p, behind[p]); writeBehind(1 - p, behind[p])
    :: else
    fi;
#endif
    held[p] = 0; behind[p] = 0; pointer[p] = 0; arriving[p] = 0; up[p] = false }
  :: d_step { up[p] && starts < STARTS ->
    printf("pod %d crashes\n", p);
    up[p] = false; crashed = true; held[p] = 0; behind[p] = 0; pointer[p] = 0; busy[p] = 0; arriving[p] = 0 }
  :: d_step { !up[p] ->
    printf("pod %d starts\n", p);
    up[p] = true; counter[p] = 0; starts++;
#ifndef NO_INCARNATION
    incarnation[p] = starts + 1
#endif
  }
  od
}

init {
  d_step { up[0] = true; up[1] = true; incarnation[1] = 1 }
  atomic { run pod(0); run pod(1) }
#ifdef EPOCHS
end:
#endif
  do
#ifndef ENDS_UNDER_WAY
  /* It does not run out within the two seconds of a look-up; see README.md. */
  :: d_step { !late && known > 0 && busy[0] == 0 && busy[1] == 0 ->
#else
  :: d_step { !late && known > 0 ->
#endif
    printf("the time of version 1 is over\n"); late = true }
  od
}

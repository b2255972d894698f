/*
 * Revocation, leases and freshness: invariants I1 and I4 of docs/ARCHITECTURE.md.
 *
 * One session of one user, one revocation of that user with wait FLEET, PODS security pods, PROXIES proxies.
 * Everything that can happen is one atomic step of a loop, so every order is tried; what takes time between two
 * messages is two steps. A process that is paused is one that takes no step while others do and time passes.
 *
 * Time is counted down: each right has the ticks that are left of it, and a tick takes one from all of them. So
 * time has no end, and the states are finite. README.md says what each step is in the code, and what is left out.
 *
 * Switches: LOGIN (the session is opened while all this happens, else it is in the database), POD_CRASH,
 * PROXY_CRASH, REMAKE (watches break and are made anew), and one for each mutation: see test/model/models.ts.
 */
#ifndef PODS
#define PODS 2
#endif
#ifndef PROXIES
#define PROXIES 1
#endif
/* Ticks: a read of the feed is good for FRESH, a lease lasts LEASE (20 s and 10 s). */
#ifndef FRESH
#define FRESH 2
#endif
#ifndef LEASE
#define LEASE 1
#endif

/* Feed positions: 0 is "none known", BEFORE what there was, ENTRY the revocation. */
#define BEFORE 1
#define ENTRY 2

#define DOWN 0
#define JOINED 1 /* in the table of members; has not begun to read the feed */
#define READING 2 /* its first look is under way; what it finds is in pos and fresh already */
#define SERVING 3

/* The database. */
byte feed = BEFORE;     /* last committed position */
byte feedAge;           /* ticks since ENTRY was committed, at most FRESH */
bool stored;            /* the session's record */
bool member[PODS];

/* The session: the position as of which its credentials were read; whether a device has its id. */
byte readAt = BEFORE;
bool opened;

/* Security pods. */
byte up[PODS];
byte pos[PODS];         /* read up to here */
byte fresh[PODS];       /* ticks for which what was read is good */
bool held[PODS];         /* it has the record, which is not stored; what is stored is loaded and checked alike */
byte young[PODS];       /* ticks for which an earlier process of this name may have left a lease */
byte leased[PODS * PROXIES];  /* ticks of the latest lease given to that proxy */
bool acked[PODS * PROXIES];   /* the proxy has carried ENTRY out, as it told this pod */

/* Proxies. */
bool attached[PROXIES];
byte lease[PROXIES];    /* ticks left, as the proxy counts them */
byte granted[PROXIES];  /* the same as whoever gave it counts them; only to compare */
byte giver[PROXIES];
byte cleared[PROXIES];
bool carried[PROXIES];  /* it has carried ENTRY out */
byte told[PODS * PROXIES];
byte since[PODS * PROXIES];

/* A question of a proxy for a lease. */
#define NONE 0
#define SENT 1
#define FOUND 2         /* the pod has the record in hand */
#define ANSWERED 3
byte asking[PROXIES];
byte askedPod[PROXIES];
byte askLeft[PROXIES];  /* ticks left of LEASE since it asked */
byte answerPos[PROXIES];
byte answerLeft[PROXIES]; /* the same since it was given */

/* A Watch: 0 none, 1 its start is under way, 2 it goes on. */
byte watch[PODS * PROXIES];
byte startAt[PODS * PROXIES];
/* What the pod has sent and the proxy has not read: a heartbeat's position, then perhaps ENTRY after it. */
byte heart[PODS * PROXIES];
bool entry[PODS * PROXIES];
bool cutting[PROXIES];  /* only in a mutation */

/* A login: 0 none, 1 position noted, 2 credentials read, 3 held. */
byte login;
byte loginPod;
byte loginAt;

/* The revocation: 0 none, 1 committed, 2 the look that finds the members is under way, 3 waiting, 4 acknowledged. */
byte revoke;
byte settle;            /* ticks until everybody's time has run out */
byte waitFor;           /* members that have not acknowledged, as bits */

/* For loops; 0 between them. */
byte i, q;

#define AT(p, x) ((p) * PROXIES + (x))
#define LESS(v) v = (v > 0 -> v - 1 : 0)
#define revoked(p) (pos[p] > readAt)

#ifdef NO_FRESHNESS
#define isFresh(p) true
#else
#define isFresh(p) (fresh[p] > 0)
#endif

inline breakWatch(p, x) {
  watch[AT(p, x)] = 0; startAt[AT(p, x)] = 0;
  heart[AT(p, x)] = 0; entry[AT(p, x)] = false
}

inline dropQuestion(x) {
  asking[x] = NONE; askedPod[x] = 0; askLeft[x] = 0; answerPos[x] = 0; answerLeft[x] = 0
}

inline detach(x) {
  attached[x] = false; lease[x] = 0; granted[x] = 0; giver[x] = 0; cleared[x] = 0
}

/* Ticks for which a look is good that began so long ago. */
#ifdef FRESH_FROM_END
#define goodFor(began) FRESH
#else
#define goodFor(began) (FRESH - began)
#endif

/* Pod p knows the feed up to there: services/security/feed/revocation-feed.ts, #read. */
inline apply(p, upTo) {
  if
  :: upTo > pos[p] ->
    pos[p] = upTo;
    for (i : 0 .. PROXIES - 1) {
      if
      :: watch[AT(p, i)] == 2 && upTo == ENTRY -> entry[AT(p, i)] = true
      :: else
      fi
    }; i = 0
#ifdef NO_CHECK_AT_LOAD
    if
    :: upTo == ENTRY -> held[p] = false
    :: else
    fi
#endif
  :: else
  fi
}

/* Revocations.watching of services/proxy/revocations.ts. */
inline beginWatch(p, x, at) {
  if
  :: told[AT(p, x)] > 0
  :: else ->
    told[AT(p, x)] = (startAt[AT(p, x)] > 0 -> startAt[AT(p, x)] : at);
#ifndef NO_SINCE
    since[AT(p, x)] = told[AT(p, x)];
    if
    :: attached[x] && giver[x] == p && cleared[x] < told[AT(p, x)] -> detach(x)
    :: else
    fi
#endif
  fi;
  startAt[AT(p, x)] = 0
}

/* Whom nobody waits for any more: no part of any later state. */
inline forgetWaits() {
  for (i : 0 .. PODS - 1) { young[i] = 0 }; i = 0
  for (i : 0 .. PODS * PROXIES - 1) { leased[i] = 0; acked[i] = false }; i = 0
}

/* Nobody holds a lease of this pod that the entry has not ended: LeaseBook.settled. */
#define proxySettled(p, x) (leased[AT(p, x)] == 0 || acked[AT(p, x)])
#if PROXIES == 1
#define leasesSettled(p) (proxySettled(p, 0) && young[p] == 0)
#else
#define leasesSettled(p) (proxySettled(p, 0) && proxySettled(p, 1) && young[p] == 0)
#endif

#define anybody (revoke != 5)

active proctype time() {
  do
  :: d_step { anybody ->
    printf("a tick\n");
    for (i : 0 .. PODS - 1) { LESS(fresh[i]); LESS(young[i]) }; i = 0
    for (i : 0 .. PODS * PROXIES - 1) { LESS(leased[i]) }; i = 0
    for (i : 0 .. PROXIES - 1) { LESS(lease[i]); LESS(granted[i]); LESS(askLeft[i]); LESS(answerLeft[i]) }; i = 0
    LESS(settle);
    feedAge = (feed == ENTRY && feedAge < FRESH -> feedAge + 1 : feedAge) }
  od
}

proctype pod(byte p) {
  do
    /* ---- a pod reads the feed ------------------------------------------------------------------------------ */
    /*
     * A look is over. It has found at least what was committed before it began. Told so, it is one step, and of
     * all looks that can end now the youngest: an older one makes the pod stop sooner, which ticks do as well.
     */
    :: d_step { up[p] == SERVING && pos[p] < feed ->
      printf("pod %d has read the entry\n", p);
      apply(p, ENTRY); fresh[p] = FRESH }
#ifdef FRESH_FROM_END
    :: d_step { up[p] == SERVING && pos[p] == BEFORE && goodFor(feedAge) > fresh[p] ->
#else
    :: d_step { up[p] == SERVING && pos[p] == BEFORE && feedAge < FRESH && goodFor(feedAge) > fresh[p] ->
#endif
      printf("pod %d has read nothing new, in a look that began %d ticks ago\n", p, feedAge);
      fresh[p] = goodFor(feedAge) }
    :: d_step { up[p] == SERVING && pos[p] == ENTRY && fresh[p] < FRESH ->
      printf("pod %d reads the feed again\n", p);
      fresh[p] = FRESH }

    /* ---- crash and restart --------------------------------------------------------------------------------- */
#ifdef POD_CRASH
    :: d_step { up[p] != DOWN ->
      printf("pod %d crashes\n", p);
      up[p] = DOWN; pos[p] = 0; fresh[p] = 0; held[p] = false; young[p] = 0;
      for (i : 0 .. PROXIES - 1) {
        leased[AT(p, i)] = 0; acked[AT(p, i)] = false;
        breakWatch(p, i);
        if
        :: (asking[i] == SENT || asking[i] == FOUND) && askedPod[i] == p -> dropQuestion(i)
        :: else
        fi
      }; i = 0
      if
      :: login > 0 && loginPod == p -> login = 0; loginPod = 0; loginAt = 0
      :: else
      fi;
      if
      :: revoke > 0 && revoke < 4 && p == 0 -> revoke = 5; settle = 0; waitFor = 0
      :: else
      fi;
      skip }
    :: d_step { up[p] == DOWN ->
      printf("pod %d starts\n", p);
      up[p] = JOINED; member[p] = true;
#ifndef NO_PREDECESSOR
      young[p] = (revoke < 4 -> LEASE : 0);
#endif
#ifdef SERVES_UNREAD
      up[p] = SERVING; fresh[p] = FRESH; pos[p] = BEFORE
#endif
    }
    :: d_step { up[p] == JOINED ->
      printf("pod %d begins its first look\n", p);
      up[p] = READING; pos[p] = feed; fresh[p] = FRESH }
    :: d_step { up[p] == READING ->
      printf("pod %d serves, having read up to %d\n", p, pos[p]);
      up[p] = SERVING }
#endif

    /* ---- the revocation ------------------------------------------------------------------------------------ */
    :: d_step { revoke == 0 && p == 0 && up[p] == SERVING && opened ->
      printf("pod %d commits the revocation\n", p);
      revoke = 1; feed = ENTRY;
#ifdef SETTLE_WITHOUT_LEASE
      settle = FRESH;
#else
      settle = FRESH + LEASE;
#endif
    }
#ifdef LOGIN
    :: d_step { revoke == 0 && p == 0 && up[p] == SERVING && !opened ->
      printf("pod %d commits the revocation, the session not being open yet\n", p);
      revoke = 1; feed = ENTRY; settle = FRESH + LEASE }
#endif
    :: d_step { revoke == 1 && p == 0 && pos[p] < ENTRY ->
      printf("pod %d counts its own entry\n", p);
      apply(p, ENTRY) }
    :: d_step { revoke == 1 && p == 0 ->
      printf("pod %d looks who the members are\n", p);
      revoke = 2; waitFor = 0;
      for (i : 0 .. PODS - 1) {
        if
        :: member[i] -> waitFor = waitFor | (1 << i)
        :: else
        fi
      }; i = 0
      skip }
    :: d_step { revoke == 2 && p == 0 ->
      printf("pod %d has read its entry back, and pushes it\n", p);
      revoke = 3; apply(p, ENTRY) }
    :: d_step { revoke == 3 && up[p] == SERVING && pos[p] < ENTRY ->
      printf("the entry is pushed to pod %d\n", p);
      apply(p, ENTRY) }
    :: d_step { revoke == 3 && (waitFor & (1 << p)) && up[p] == SERVING &&
#ifdef NO_LEASE_WAIT
      pos[p] == ENTRY ->
#else
      pos[p] == ENTRY && leasesSettled(p) ->
#endif
      printf("pod %d acknowledges: none of its leases counts\n", p);
      waitFor = waitFor & (255 - (1 << p)) }
    :: d_step { revoke == 3 && p == 0 && (waitFor == 0 || settle == 0) ->
      printf("the revocation is acknowledged\n");
      revoke = 4; waitFor = 0; settle = 0; forgetWaits(); skip }

    /* ---- the login ----------------------------------------------------------------------------------------- */
#ifdef LOGIN
    :: d_step { login == 0 && !opened && !stored && up[p] == SERVING ->
      printf("pod %d takes a login, at position %d\n", p, pos[p]);
      login = 1; loginPod = p; loginAt = pos[p] }
    :: d_step { login == 1 && loginPod == p ->
      if
      :: feed == ENTRY -> printf("the user may not log in any more\n"); login = 0; loginPod = 0; loginAt = 0
      :: else -> printf("the credentials are right\n"); login = 2
      fi }
    :: d_step { login == 2 && loginPod == p && isFresh(p) ->
      printf("pod %d holds the session\n", p);
#ifdef POSITION_LATE
      loginAt = pos[p];
#endif
      readAt = loginAt; held[p] = true; login = 3 }
    :: d_step { login == 3 && loginPod == p && !stored ->
      printf("its record is stored\n"); stored = true; held[0] = false; held[1] = false }
    :: d_step { login == 3 && loginPod == p ->
      /* Stored or not: it may be written behind. */
      if
      :: isFresh(p) && !revoked(p) -> printf("the login is answered\n"); opened = true
      :: else -> printf("the login is refused\n"); held[p] = false
      fi;
      login = 0; loginPod = 0; loginAt = 0 }
    :: d_step { opened && held[p] && !stored ->
      printf("pod %d writes the record behind\n", p); stored = true; held[0] = false; held[1] = false }
#endif

  od
}

/* A proxy and a pod. */
proctype pair(byte p; byte x) {
  do
    /* ---- leases -------------------------------------------------------------------------------------------- */
      :: d_step { opened && asking[x] == NONE && (!attached[x] || lease[x] < LEASE) ->
        printf("proxy %d asks pod %d for a lease\n", x, p);
        asking[x] = SENT; askedPod[x] = p; askLeft[x] = LEASE }
      :: d_step { asking[x] == SENT && askedPod[x] == p && up[p] == SERVING && isFresh(p) ->
        if
        :: held[p] || stored
        :: else ->
          /* HandOver: the giver removes its copy, and decides by what it gave for some seconds more. */
          for (q : 0 .. PODS - 1) {
            if
            :: q != p && held[q] && up[q] == SERVING -> held[p] = true
            :: else
            fi
          }; q = 0
        fi;
        if
        :: !(held[p] || stored) -> printf("pod %d finds no session\n", p); dropQuestion(x)
#ifdef NO_CHECK_AT_LOAD
        :: (held[p] || stored) -> printf("pod %d has the session\n", p); asking[x] = FOUND
#else
        :: (held[p] || stored) && revoked(p) ->
          printf("pod %d refuses: revoked\n", p); held[p] = false; dropQuestion(x)
        :: (held[p] || stored) && !revoked(p) ->
          printf("pod %d has the session\n", p); asking[x] = FOUND
#endif
        fi;
        skip }
      :: d_step { asking[x] == FOUND && askedPod[x] == p ->
        if
#ifdef NO_LAST_LOOK
        :: true ->
#else
#ifdef NO_CHECK_AT_LOAD
        :: isFresh(p) ->
#else
        :: isFresh(p) && !revoked(p) ->
#endif
#endif
          printf("pod %d gives proxy %d a lease, as of position %d\n", p, x, pos[p]);
          asking[x] = ANSWERED; answerPos[x] = pos[p]; answerLeft[x] = LEASE; leased[AT(p, x)] = (revoke < 4 -> LEASE : 0)
#ifndef NO_LAST_LOOK
        :: else -> printf("pod %d refuses at the last look\n", p); dropQuestion(x)
#endif
        fi }
      :: d_step { asking[x] == ANSWERED && askedPod[x] == p ->
        i = (attached[x] && cleared[x] > answerPos[x] -> cleared[x] : answerPos[x]);
        if
#ifndef NO_OVERTAKEN
        :: i < since[AT(p, x)] || (carried[x] && i < ENTRY) ->
          printf("proxy %d refuses the lease: overtaken\n", x)
        :: else ->
#else
        :: true ->
#endif
          printf("proxy %d takes the lease\n", x);
          attached[x] = true; giver[x] = p; cleared[x] = i; granted[x] = answerLeft[x];
#ifdef LEASE_FROM_RECEIPT
          lease[x] = LEASE
#else
          lease[x] = askLeft[x]
#endif
        fi;
        dropQuestion(x) }
      :: d_step { asking[x] != NONE && askedPod[x] == p ->
        printf("proxy %d waits no more for pod %d\n", x, p);
        dropQuestion(x) }

      /* ---- a frame: services/proxy/attachment.ts, assertLive ------------------------------------------------ */
#ifdef NO_LEASE_CHECK
      :: d_step { attached[x] ->
#else
      :: d_step { attached[x] && lease[x] > 0 ->
#endif
        printf("proxy %d accepts a frame\n", x);
        /* I1 */
        assert(revoke != 4);
        /* I4: its right has not ended in the eyes of whoever gave it */
        assert(granted[x] > 0) }

      /* ---- the Watch ---------------------------------------------------------------------------------------- */
      :: d_step { watch[AT(p, x)] == 0 ->
        printf("proxy %d begins to watch pod %d\n", x, p);
        watch[AT(p, x)] = 1;
        startAt[AT(p, x)] = (told[AT(p, x)] > 0 -> told[AT(p, x)] :
          (attached[x] && giver[x] == p -> cleared[x] : 0)) }
      :: d_step { watch[AT(p, x)] == 1 && up[p] == SERVING ->
        printf("pod %d takes the watch of proxy %d from %d\n", p, x, startAt[AT(p, x)]);
        watch[AT(p, x)] = 2; acked[AT(p, x)] = (revoke < 4 && startAt[AT(p, x)] == ENTRY);
        entry[AT(p, x)] = (startAt[AT(p, x)] > 0 && startAt[AT(p, x)] < ENTRY && pos[p] == ENTRY) }
      :: d_step { watch[AT(p, x)] == 2 && heart[AT(p, x)] == 0 && !entry[AT(p, x)] && isFresh(p) &&
        told[AT(p, x)] < pos[p] ->
        printf("pod %d sends a heartbeat\n", p);
        heart[AT(p, x)] = pos[p] }
      :: d_step { watch[AT(p, x)] == 2 && heart[AT(p, x)] > 0 ->
        printf("proxy %d reads pod %d's heartbeat\n", x, p);
        beginWatch(p, x, heart[AT(p, x)]);
        if
        :: heart[AT(p, x)] > told[AT(p, x)] -> told[AT(p, x)] = heart[AT(p, x)]
        :: else
        fi;
        heart[AT(p, x)] = 0 }
      :: d_step { watch[AT(p, x)] == 2 && heart[AT(p, x)] == 0 && entry[AT(p, x)] ->
        beginWatch(p, x, BEFORE);
        entry[AT(p, x)] = false; told[AT(p, x)] = ENTRY; acked[AT(p, x)] = (revoke < 4);
#ifdef ACKNOWLEDGE_FIRST
        printf("proxy %d acknowledges what pod %d tells\n", x, p);
        cutting[x] = true
#else
        printf("proxy %d cuts what pod %d tells to be revoked, and acknowledges\n", x, p);
        carried[x] = true;
        if
        :: attached[x] && cleared[x] < ENTRY -> detach(x)
        :: else
        fi
#endif
      }
#ifdef ACKNOWLEDGE_FIRST
      :: d_step { cutting[x] ->
        printf("proxy %d cuts\n", x);
        cutting[x] = false; carried[x] = true;
        if
        :: attached[x] && cleared[x] < ENTRY -> detach(x)
        :: else
        fi }
#endif
#ifdef REMAKE
      :: d_step { watch[AT(p, x)] != 0 ->
        printf("the watch of proxy %d at pod %d breaks\n", x, p);
        breakWatch(p, x) }
#endif
#ifdef PROXY_CRASH
      :: d_step { true ->
        printf("proxy %d crashes, and starts anew\n", x);
        detach(x); carried[x] = false; dropQuestion(x); cutting[x] = false;
        for (i : 0 .. PODS - 1) { told[AT(i, x)] = 0; since[AT(i, x)] = 0; breakWatch(i, x) }; i = 0
        skip }
#endif
  od
}

init {
  d_step {
    for (i : 0 .. PODS - 1) { up[i] = SERVING; pos[i] = BEFORE; fresh[i] = FRESH; member[i] = true }; i = 0
#ifndef LOGIN
    stored = true; opened = true
#endif
  }
  atomic {
    run pod(0); run pod(1); run pair(0, 0); run pair(1, 0);
#if PROXIES > 1
    run pair(0, 1); run pair(1, 1);
#endif
#if PODS > 2
    run pod(2); run pair(2, 0);
#endif
  }
}

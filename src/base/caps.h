/* caps: every limit of the program in one place. A queue, buffer or list takes its cap from here (or from the options
 * table, whose default stands here). Sizes in bytes, times in milliseconds, unless the name says otherwise. */
#ifndef MUSTER_BASE_CAPS_H
#define MUSTER_BASE_CAPS_H

#define KIB (1024ul)
#define MIB (1024ul * KIB)

#define CAP_JSON_DEPTH 128
#define CAP_JSON_TEXT (64 * MIB)
#define CAP_LOG_LINE (16 * KIB)
#define CAP_LOG_AREAS 32
#define CAP_LOG_SECRETS 256

#define CAP_TIMERS (1 << 20) /* running at once on one loop */
#define CAP_ACCEPT_BURST 64  /* connections taken in one turn of the loop */
#define TIME_ACCEPT_REST 100 /* pause of a listener that is out of descriptors */
#define CAP_CHILD_FD 255     /* highest descriptor number given to a child */

#define CAP_EVENT_DATA (1 * MIB)   /* one event's payload; larger values go into blobs */
#define CAP_BLOB_INLINE (64 * KIB) /* up to here a blob is a row, above it a file */
#define CAP_BLOB (512 * MIB)
#define CAP_BLOB_PIECE (64 * KIB) /* held of a large content that goes from one place to another */
#define CAP_GROUP_EVENTS 500	  /* group commit closes at this many events */
#define CAP_GROUP_WAIT_US 2000
#define CAP_APPEND_QUEUE 65536 /* appends waiting for the writer */
#define CAP_STORE_HEADS 65536  /* stream heads kept in the writer's memory */
#define CAP_STORE_READERS 8    /* reading connections to the database */
#define CAP_WAL_PAGES 4096     /* a busy writer checkpoints beyond this; journal_size_limit leaves a log of so many */
#define CAP_TAIL_BATCH 128     /* events read at once for a tail that catches up */
#define CAP_SPOOL_BATCH 1024   /* commands of other processes taken in at once */
#define CAP_RECORD_NAME 160    /* bytes of a record's kind, of its id, of who, what and object of an audit event */
#define CAP_RUN_NAME 200       /* bytes of the name that a person gives a run */
#define CAP_ACCOUNT_OPS 1024   /* operations on accounts that wait */
#define CAP_STORE_ROWS 1048576 /* rows of one projection, or streams, or blobs, held in memory */
#define CAP_USAGE_ROWS 200000  /* groups of one question about usage */
#define CAP_USAGE_CSV (64 * MIB)

#define CAP_MODEL_REPLY (16 * MIB)   /* one model answer, decoded */
#define CAP_MODEL_LINE (8 * MIB)     /* one SSE or NDJSON line */
#define CAP_MODEL_TOOL_CALLS 128     /* in one answer */
#define CAP_MODEL_STREAM (128 * MIB) /* one model answer as it comes, decompressed */
#define CAP_MODEL_ERROR (64 * KIB)   /* kept of an error's body or of a program's standard error */
#define CAP_REQUEST_BODY (64 * MIB)
#define TIME_FIRST_BYTE 120000
#define TIME_IDLE 60000
#define TIME_MODEL_LINGER 500 /* for the connection's end after an answer is complete */

#define CAP_HTTP_HEAD (64 * KIB)		   /* request or status line and headers, sent or received */
#define CAP_HTTP_HEADERS 128			   /* their number */
#define CAP_HTTP_TARGET (16 * KIB)		   /* of a request */
#define CAP_HTTP_QUEUE (CAP_EVENT_DATA + 64 * KIB) /* bytes of a reply that wait for a slow client: any event fits */
#define CAP_HTTP_CONNECTIONS 16384		   /* of one server */
#define CAP_DRAFT (256 * KIB)			   /* of one text that is being written, for those who come later */
#define CAP_HTTP_PROXIES 64			   /* addresses and ranges that are believed */
#define CAP_TLS_FILE (256 * KIB)		   /* a certificate with its chain, or a key */
#define CAP_GUARD_EXEMPT 64		/* hosts, and networks, that people's URLs may lead to although not public */
#define CAP_SPOOL_MEMORY (64 * KIB)	/* of what comes; more of it goes into a file */
#define CAP_MULTIPART_HEAD (8 * KIB)	/* of one part of a form */
#define CAP_WEBSOCKET_MESSAGE (1 * MIB) /* received whole */
#define TIME_WEBSOCKET_PING 20000	/* of silence, until a ping; and from it until the end */
#define TIME_WEBSOCKET_CLOSE 5000	/* from our close to the client's */
#define TIME_HTTP_HEAD 15000		/* from the first byte of a request to the end of its head */
#define TIME_HTTP_IDLE 75000		/* between the requests of a connection */
#define TIME_HTTP_STALL 30000		/* without progress of a body, or of a reply that the client does not read */

#define CAP_DELIVERY_ANSWER (64 * KIB) /* read of what an endpoint says to a message */
#define TIME_DELIVERY 20000
#define TIME_DELIVERY_WAIT 3600000 /* longest wait that an endpoint may ask for */
#define CAP_MAIL (256 * KIB)
#define CAP_MAIL_SUBJECT 1000
#define TIME_MAIL_CONNECT 15000
#define TIME_MAIL 60000 /* for one try */

#define CAP_OIDC_ANSWER (256 * KIB) /* of an OpenID provider to one request */
#define CAP_OIDC_TOKEN (16 * KIB)
#define CAP_OIDC_LOGINS 64 /* under way at once */
#define TIME_OIDC 10000	   /* for one request to the provider */

#define CAP_WEBHOOKS 50 /* two secrets of each lie in the vault */
#define CAP_PUSHES 10000
#define CAP_PUSHES_PERSON 20 /* of one person */
#define CAP_TARGET_URL 2000
#define CAP_NOTICES 10000    /* waiting */
#define CAP_TRACE_RUNS 20000 /* of which spans are remembered that have begun */
#define CAP_TRACE_OPEN 2000  /* in one run */
#define CAP_TRACE_SPANS 8192 /* that wait for the collector */
#define CAP_TRACE_BATCH 256
#define TIME_TRACE_BATCH 1000 /* from the first span of a batch until it is sent */
#define TIME_TRACE_AWAY 5000  /* until the collector is tried again */
#define TIME_TRACE_CLOSE 2000
#define CAP_NOTICES_OF_ONE (CAP_NOTICES / 10)
#define CAP_NOTICES_REMEMBERED 20000 /* after their end */
#define CAP_NOTICE_TITLE 160	     /* bytes of a title shown outside */
#define CAP_NOTICES_AT_ONCE 200	     /* written in one append */
#define CAP_NOTICES_SENDING 8	     /* tries under way */
#define NOTICE_FAILURES 30	     /* tries of a target in a row that failed, until it gets no more */
#define TIME_NOTICE_RETRY 30000	     /* after the first failed try; doubled after each */
#define TIME_NOTICE_RETRY_MOST 3600000
#define TIME_NOTICE_LIFE 86400000ll	  /* no further try after it */
#define TIME_NOTICE_REMEMBERED 86400000ll /* after its end, so that it is not sent again */
#define TIME_KEY_TRIAL 20000ll		  /* one small request with a new key */
#define TIME_NOTIFY_BACK 43200000ll	  /* what happened before is not told at a start; less than is remembered */
#define CAP_NOTIFY_REMINDERS 5		  /* of one action */

#define CAP_SHELL_LINE (256 * KIB) /* a command line that policy takes apart; longer ones are in doubt */
#define CAP_SHELL_COMMANDS 1024	   /* in one line */
#define CAP_SHELL_DEPTH 24	   /* of nested groups, substitutions, sh -c */
#define CAP_SHELL_FORMS (4 * MIB)  /* bytes of all spellings of all its commands: what policy has to match */
#define CAP_POLICY_RULES 1024
#define CAP_POLICY_PATTERN 512

#define CAP_DIRECTIVE (2 * MIB)
#define CAP_DIRECTIVE_ITEMS 256	     /* targets, prompts or edits in one directive */
#define CAP_FILE_READ (4 * MIB)	     /* a file shown to a model, before cutting */
#define CAP_FILE_WRITE (16 * MIB)    /* a file written by one tool call */
#define CAP_TOOL_RESULT (32 * KIB)   /* shown to the model; the rest goes into a blob */
#define CAP_COMMAND_SPILL (64 * MIB) /* kept in a blob */

#define CAP_FLOW_SAID (CAP_EVENT_DATA - 64 * KIB) /* one value that a flow says, signals, plans, returns */
#define CAP_FLOW_MEMORY (64 * MIB)		  /* of one flow's Lua state */
#define CAP_FLOW_SLICE_MS 2000			  /* Lua may run this long without a host call */
#define CAP_FLOW_STEPS 10000			  /* without continue_as */
#define CAP_FLOW_PARALLEL 1024
#define CAP_FLOW_JSON_DEPTH 64		   /* levels of a value given to the host */
#define CAP_FLOW_JSON_VALUES (1 << 20)	   /* values in it */
#define CAP_FLOW_JSON_TEXT CAP_FLOW_MEMORY /* bytes of texts and names in it */
#define CAP_FLOW_ITEMS (1 << 24)	   /* items that one function of `table` goes over */
#define CAP_FLOW_SLEEP 1e9		   /* seconds */
#define CAP_FLOW_REP (16 * MIB)		   /* result of string.rep */
#define CAP_FLOW_PATTERN_WORK 10000000	   /* places one call with a Lua pattern looks at, and 64 for each byte */
#define CAP_FLOW_RE 8192		   /* bytes of a pattern of `re` */
#define CAP_FLOW_RE_MATCH 1000000	   /* PCRE2's match limit for one search */
#define CAP_FLOW_RE_HEAP_KIB 8192	   /* PCRE2's heap limit for one search */
#define CAP_FLOW_RE_CACHED 32		   /* compiled patterns kept in a flow */
#define CAP_AGENTS 2048			   /* in one segment of a run */
#define CAP_UPLOAD_FILES 64		   /* of a mode that somebody uploads */
#define CAP_MODE_BUNDLE (4 * MIB)

#define CAP_DIR_ENTRIES 65536	  /* names of one folder that are sorted and shown */
#define CAP_LIST_ENTRIES 2000	  /* entries of one listing */
#define CAP_WALK_ENTRIES 200000	  /* entries that a glob or a search looks at */
#define CAP_WALK_DEPTH 128	  /* folders below each other; deeper ones are left out and said so */
#define CAP_SEARCH_FILE (2 * MIB) /* larger files are not searched */
#define CAP_SEARCH_LINE 4096	  /* bytes of a line that are matched */
#define CAP_SEARCH_SHOWN 240	  /* bytes of a line that are shown */
#define CAP_PATTERN 1024	  /* bytes of a glob or search pattern */
#define CAP_PATTERN_BRACES 64	  /* patterns that one with {a,b} becomes */
#define TIME_SEARCH 10000
#define CAP_SNAPSHOT_FILES (1 << 20)   /* entries of one snapshot */
#define CAP_SNAPSHOT_BATCH (8 * MIB)   /* new content held before it is stored */
#define CAP_SNAPSHOT_CARRY (256 * KIB) /* new content that is stored with the snapshot's event */
#define CAP_FILE_WHOLE (256 * KIB)     /* a larger file is read, stored and written piece by piece */
#define CAP_IMPORT_MEMORY (256 * MIB)  /* a folder's files that become a repository by way of memory */
#define CAP_DIFF_FILE (4 * MIB)	       /* larger files are only named in a diff */
#define CAP_INPUT_FILE (100 * MIB)     /* a file that a person gives to a run */
#define CAP_CONFLICTS 100	       /* files shown of a merge that conflicts */
#define CAP_CONFLICT_TEXT (32 * KIB)   /* of each side */
#define CAP_ALTERNATES 8	       /* object folders that a repository borrows from */

#define CAP_ARCHIVE_FILES 200000       /* entries and folders of an archive that is unpacked or made */
#define CAP_ARCHIVE_BYTES (2048 * MIB) /* unpacked */
#define CAP_ARCHIVE_RATIO 250	       /* unpacked bytes for each byte of the archive, beyond the slack */
#define CAP_ARCHIVE_SLACK (64 * MIB)
#define CAP_ARCHIVE_PATH 1024 /* bytes of a name in an archive */
#define CAP_ARCHIVE_DEPTH 64  /* folders of a name in an archive */
#define TIME_ARCHIVE 300000
#define CAP_PROJECTS 65536	     /* of one installation */
#define CAP_PROJECT_NAME 200	     /* bytes of its name, */
#define CAP_PROJECT_WORDS (8 * KIB)  /* of its description, */
#define CAP_PROJECT_TAG 64	     /* of each tag, */
#define CAP_PROJECT_TAGS 64	     /* of which there are so many */
#define CAP_PROJECT_ABOUT (16 * KIB) /* kept of what an archive says of its project */
#define CAP_SETTINGS (64 * KIB)	     /* of a project for its runs, or of a person */
#define CAP_PROJECT_LOOKS 8	     /* scans, counts and imports that wait for the one at work */
#define TIME_RISKS 120000	     /* for one scan */
#define CAP_UPLOAD (1024 * MIB)	     /* an archive that is sent to us */
#define TIME_PROGRESS 250	     /* between two lines of progress */
#define CAP_EXPORT_RUNS 100	     /* whose events go out with a project */
#define CAP_RUN_WORKS 64	     /* looks at runs, and runs to be made, that wait for the one at work */
#define CAP_MESSAGES_PAGE (4 * MIB)  /* of a run's conversation given at once */
#define CAP_RETENTION_LOOK 64	     /* ended runs looked at together */
#define TIME_REPLAY 120000	     /* of a run, at a server */
#define CAP_REPLAYS 2		     /* at once */
#define TIME_RETENTION_FIRST 2000    /* after the start of a server */
#define TIME_RETENTION_STEP 50	     /* between two runs that go */
#define TIME_RETENTION_REST 3600000
#define CAP_RISKS 2000	  /* hits of one scan */
#define CAP_RISKS_RULE 20 /* of one rule in one file */

#define CAP_CLONES 4		     /* projects being cloned at once */
#define CAP_CLONE_BYTES (2048 * MIB) /* of a repository, twice, and of its files once more */
#define CAP_CLONE_OBJECTS 2000000
#define CAP_CLONE_REFS (4 * MIB) /* bytes of the list of its branches and tags */
#define CAP_CLONE_LINE 1024	 /* of what git says */
#define TIME_CLONE 1800000
#define CAP_EXPORT_ARTIFACTS 100 /* of the runs of a project that go out; each is an open file meanwhile */

#define CAP_YAML (1 * MIB)
#define CAP_YAML_DEPTH 64
#define CAP_YAML_NODES 65536  /* values in one document */
#define CAP_VAULT_SECRETS 200 /* all are masked in the log: below CAP_LOG_SECRETS */
#define CAP_VAULT_VALUE (64 * KIB)
#define CAP_SCRIPT (256 * MIB)

#define CAP_BATCH_LINE (1 * MIB) /* a line of a batch's inputs: they become one event */
#define CAP_BATCH_LINES (1 << 20)
#define CAP_BATCH_ID 64	   /* bytes of a line's own id, which names a folder */
#define CAP_BATCH_FILES 32 /* descriptors reckoned for each live run */
#define CAP_BATCH_LIVE 256 /* runs of a batch at once */

#define CAP_SANDBOX_COMMANDS 100	  /* alive at once in one sandbox, jobs and terminals included */
#define CAP_SANDBOX_WORD (128 * KIB)	  /* one argument or variable; execve's own limit */
#define CAP_SANDBOX_JOB_OUTPUT (64 * KIB) /* the tail kept of a background job */
#define CAP_SANDBOX_JOBS_ENDED 32	  /* ended jobs still listed */
#define CAP_SANDBOX_DIALS 64
#define CAP_TERM_TYPED (64 * KIB) /* written to a terminal that does not read */
#define CAP_EGRESS_HEAD (16 * KIB)
#define CAP_EGRESS_QUEUE (256 * KIB) /* each way of one connection */
#define CAP_EGRESS_CONNECTIONS 64

#endif

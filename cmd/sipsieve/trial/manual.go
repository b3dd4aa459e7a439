package trial

// Manual describes the file of a Test to its author.
const Manual = `A file has a capture, and may have
a policy (without one the shipped policy is tested), a configuration, and the excerpts of each purpose:

  # what billing sees of an answered call           lines of comment; "policy: PATH", "config: PATH" and
  policy: policy.toml                               "capture: PATH" name files beside this one
  -- config.toml --                                 site, sensor, region and trunks
  region = "US"
  -- capture.flow --                                the capture, one message a line; or capture.pcap.base64
  alice is +13035550142
  bob is +12025550100
  00:00.000  alice -> bob   INVITE
      Privacy: none
  00:01.200  alice <- bob   180
  00:04.900  alice <- bob   200 INVITE
  00:04.950  alice -> bob   ACK
  01:04.900  alice -> bob   BYE
  01:04.950  alice <- bob   200 BYE
  -- billing.jsonl --                               its excerpts, one a line, written with --update or by hand
  {"stage":"stop","caller_number":"+13035550142","called_number":"+12025550100","duration_ms":"*"}

"*" is equal to every value. Keys of the envelope, such as id, may be left out; every other key that is published must be
expected, and a purpose without a file must publish nothing. Ids and pseudonyms are made with the published demonstration
keys. Numbers and names of a real capture stand in its file: put it through sipsieve scrub first.`

SELECT pg_catalog.set_config('search_path', '', false);
CREATE SCHEMA sipsieve;
CREATE SCHEMA sipsieve_billing;
CREATE SCHEMA sipsieve_fraud;
CREATE TABLE sipsieve.version (
    version integer NOT NULL
);
CREATE TABLE sipsieve_billing.excerpt (
    expires date NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    sensor text NOT NULL,
    stage text NOT NULL,
    revision bigint NOT NULL,
    status text NOT NULL,
    completeness bigint NOT NULL,
    dialog text COLLATE pg_catalog."C",
    unseen bigint NOT NULL,
    spool bigint NOT NULL,
    seq bigint NOT NULL,
    moment timestamp with time zone NOT NULL,
    account text COLLATE pg_catalog."C",
    trunk_in text,
    trunk_out text,
    disposition text,
    put_by text NOT NULL COLLATE pg_catalog."C",
    put_spool bigint NOT NULL,
    put_seq bigint NOT NULL,
    body json NOT NULL,
    parts text
)
PARTITION BY LIST (expires);
CREATE TABLE sipsieve_billing.excerpt_20261124 (
    expires date NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    sensor text NOT NULL,
    stage text NOT NULL,
    revision bigint NOT NULL,
    status text NOT NULL,
    completeness bigint NOT NULL,
    dialog text COLLATE pg_catalog."C",
    unseen bigint NOT NULL,
    spool bigint NOT NULL,
    seq bigint NOT NULL,
    moment timestamp with time zone NOT NULL,
    account text COLLATE pg_catalog."C",
    trunk_in text,
    trunk_out text,
    disposition text,
    put_by text NOT NULL COLLATE pg_catalog."C",
    put_spool bigint NOT NULL,
    put_seq bigint NOT NULL,
    body json NOT NULL,
    parts text
);
CREATE TABLE sipsieve_billing.excerpt_20261126 (
    expires date NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    sensor text NOT NULL,
    stage text NOT NULL,
    revision bigint NOT NULL,
    status text NOT NULL,
    completeness bigint NOT NULL,
    dialog text COLLATE pg_catalog."C",
    unseen bigint NOT NULL,
    spool bigint NOT NULL,
    seq bigint NOT NULL,
    moment timestamp with time zone NOT NULL,
    account text COLLATE pg_catalog."C",
    trunk_in text,
    trunk_out text,
    disposition text,
    put_by text NOT NULL COLLATE pg_catalog."C",
    put_spool bigint NOT NULL,
    put_seq bigint NOT NULL,
    body json NOT NULL,
    parts text
);
CREATE TABLE sipsieve_billing.reached (
    sensor text NOT NULL COLLATE pg_catalog."C",
    spool bigint NOT NULL,
    seq bigint NOT NULL
);
CREATE TABLE sipsieve_fraud.excerpt (
    expires date NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    sensor text NOT NULL,
    stage text NOT NULL,
    revision bigint NOT NULL,
    status text NOT NULL,
    completeness bigint NOT NULL,
    dialog text COLLATE pg_catalog."C",
    unseen bigint NOT NULL,
    spool bigint NOT NULL,
    seq bigint NOT NULL,
    moment timestamp with time zone NOT NULL,
    account text COLLATE pg_catalog."C",
    trunk_in text,
    trunk_out text,
    disposition text,
    put_by text NOT NULL COLLATE pg_catalog."C",
    put_spool bigint NOT NULL,
    put_seq bigint NOT NULL,
    body json NOT NULL,
    parts text
)
PARTITION BY LIST (expires);
CREATE TABLE sipsieve_fraud.excerpt_20261124 (
    expires date NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    sensor text NOT NULL,
    stage text NOT NULL,
    revision bigint NOT NULL,
    status text NOT NULL,
    completeness bigint NOT NULL,
    dialog text COLLATE pg_catalog."C",
    unseen bigint NOT NULL,
    spool bigint NOT NULL,
    seq bigint NOT NULL,
    moment timestamp with time zone NOT NULL,
    account text COLLATE pg_catalog."C",
    trunk_in text,
    trunk_out text,
    disposition text,
    put_by text NOT NULL COLLATE pg_catalog."C",
    put_spool bigint NOT NULL,
    put_seq bigint NOT NULL,
    body json NOT NULL,
    parts text
);
CREATE TABLE sipsieve_fraud.reached (
    sensor text NOT NULL COLLATE pg_catalog."C",
    spool bigint NOT NULL,
    seq bigint NOT NULL
);
ALTER TABLE ONLY sipsieve_billing.excerpt ATTACH PARTITION sipsieve_billing.excerpt_20261124 FOR VALUES IN ('2026-11-24');
ALTER TABLE ONLY sipsieve_billing.excerpt ATTACH PARTITION sipsieve_billing.excerpt_20261126 FOR VALUES IN ('2026-11-26');
ALTER TABLE ONLY sipsieve_fraud.excerpt ATTACH PARTITION sipsieve_fraud.excerpt_20261124 FOR VALUES IN ('2026-11-24');
INSERT INTO sipsieve.version VALUES (1);
INSERT INTO sipsieve_billing.excerpt_20261124 VALUES ('2026-11-24', 'whole0', 'call', 's1', 'stop', 1, 'complete', 100, 'dialog0', 0, 0, 0, '-infinity', NULL, NULL, NULL, NULL, 's2', 0, 0, '{"schema":"sipsieve.call/1","kind":"call","stage":"stop","id":"whole0","dialog":"dialog0","revision":1,"status":"complete","missing":[],"completeness":100,"purpose":"billing","policy":"0123456789abcdef","class":"cpni","expires":"2026-11-24","site":"dfw1","sensor":"s1","source":"interface","setup_time":null,"answer_time":null,"end_time":null,"duration_ms":null,"q850_cause":null,"call_flags":null,"disconnect_by":"","end_cause":"","end_time_source":"observed","billable":true}', '[{"stream":0,"number":0,"body":{"schema":"sipsieve.call/1","kind":"call","stage":"stop","id":"whole0","dialog":"dialog0","revision":1,"status":"partial","missing":["bye"],"completeness":100,"purpose":"billing","policy":"0123456789abcdef","class":"cpni","expires":"2026-11-24","site":"dfw1","sensor":"s1","source":"interface","setup_time":null,"answer_time":null,"end_time":null,"duration_ms":61000,"q850_cause":null,"call_flags":null,"disconnect_by":"","end_cause":"","end_time_source":"","billable":false}},{"stream":0,"number":0,"body":{"schema":"sipsieve.call/1","kind":"call","stage":"stop","id":"bye0","dialog":"dialog0","revision":1,"status":"complete","missing":["invite","final_response","ack"],"completeness":100,"purpose":"billing","policy":"0123456789abcdef","class":"cpni","expires":"2026-11-25","site":"dfw1","sensor":"s2","source":"interface","setup_time":null,"answer_time":null,"end_time":null,"duration_ms":61000,"q850_cause":null,"call_flags":null,"disconnect_by":"","end_cause":"","end_time_source":"","billable":false}}]');
INSERT INTO sipsieve_billing.excerpt_20261124 VALUES ('2026-11-24', 'whole1', 'call', 's1', 'stop', 1, 'complete', 100, 'dialog1', 0, 0, 0, '-infinity', NULL, NULL, NULL, NULL, 's2', 0, 0, '{"schema":"sipsieve.call/1","kind":"call","stage":"stop","id":"whole1","dialog":"dialog1","revision":1,"status":"complete","missing":[],"completeness":100,"purpose":"billing","policy":"0123456789abcdef","class":"cpni","expires":"2026-11-24","site":"dfw1","sensor":"s1","source":"interface","setup_time":null,"answer_time":null,"end_time":null,"duration_ms":null,"q850_cause":null,"call_flags":null,"disconnect_by":"","end_cause":"","end_time_source":"observed","billable":true}', '[{"stream":0,"number":0,"body":{"schema":"sipsieve.call/1","kind":"call","stage":"stop","id":"whole1","dialog":"dialog1","revision":1,"status":"partial","missing":["bye"],"completeness":100,"purpose":"billing","policy":"0123456789abcdef","class":"cpni","expires":"2026-11-24","site":"dfw1","sensor":"s1","source":"interface","setup_time":null,"answer_time":null,"end_time":null,"duration_ms":61000,"q850_cause":null,"call_flags":null,"disconnect_by":"","end_cause":"","end_time_source":"","billable":false}},{"stream":0,"number":0,"body":{"schema":"sipsieve.call/1","kind":"call","stage":"stop","id":"bye1","dialog":"dialog1","revision":1,"status":"complete","missing":["invite","final_response","ack"],"completeness":100,"purpose":"billing","policy":"0123456789abcdef","class":"cpni","expires":"2026-11-25","site":"dfw1","sensor":"s2","source":"interface","setup_time":null,"answer_time":null,"end_time":null,"duration_ms":61000,"q850_cause":null,"call_flags":null,"disconnect_by":"","end_cause":"","end_time_source":"","billable":false}}]');
INSERT INTO sipsieve_billing.excerpt_20261126 VALUES ('2026-11-26', 'alone', 'call', 's1', 'stop', 1, 'complete', 100, NULL, 0, 1, 7, '-infinity', 'acme', 'in1', NULL, 'busy', 's1', 1, 7, '{"schema":"sipsieve.call/1","kind":"call","stage":"stop","id":"alone","dialog":null,"revision":1,"status":"complete","missing":[],"completeness":100,"purpose":"billing","policy":"0123456789abcdef","class":"cpni","expires":"2026-11-26","site":"dfw1","sensor":"s1","source":"interface","setup_time":null,"answer_time":null,"end_time":null,"duration_ms":61000,"q850_cause":null,"call_flags":null,"disconnect_by":"","end_cause":"","end_time_source":"","billable":false,"account_id":"acme","trunk_in":"in1","disposition":"busy","call_id":"2026-2:bbbb"}', NULL);
INSERT INTO sipsieve_billing.reached VALUES ('s2', 0, 0);
INSERT INTO sipsieve_billing.reached VALUES ('s1', 1, 7);
INSERT INTO sipsieve_fraud.excerpt_20261124 VALUES ('2026-11-24', 'f', 'call', 's1', 'stop', 1, 'complete', 100, NULL, 0, 0, 0, '-infinity', NULL, NULL, NULL, NULL, 's1', 0, 0, '{"schema":"sipsieve.call/1","kind":"call","stage":"stop","id":"f","dialog":null,"revision":1,"status":"complete","missing":[],"completeness":100,"purpose":"fraud","policy":"0123456789abcdef","class":"cpni","expires":"2026-11-24","site":"dfw1","sensor":"s1","source":"interface","setup_time":null,"answer_time":null,"end_time":null,"duration_ms":61000,"q850_cause":null,"call_flags":null,"disconnect_by":"","end_cause":"","end_time_source":"","billable":false}', NULL);
INSERT INTO sipsieve_fraud.reached VALUES ('s1', 0, 0);
ALTER TABLE ONLY sipsieve_billing.excerpt
    ADD CONSTRAINT excerpt_pkey PRIMARY KEY (expires, id);
ALTER TABLE ONLY sipsieve_billing.excerpt_20261124
    ADD CONSTRAINT excerpt_20261124_pkey PRIMARY KEY (expires, id);
ALTER TABLE ONLY sipsieve_billing.excerpt_20261126
    ADD CONSTRAINT excerpt_20261126_pkey PRIMARY KEY (expires, id);
ALTER TABLE ONLY sipsieve_billing.reached
    ADD CONSTRAINT reached_pkey PRIMARY KEY (sensor);
ALTER TABLE ONLY sipsieve_fraud.excerpt
    ADD CONSTRAINT excerpt_pkey PRIMARY KEY (expires, id);
ALTER TABLE ONLY sipsieve_fraud.excerpt_20261124
    ADD CONSTRAINT excerpt_20261124_pkey PRIMARY KEY (expires, id);
ALTER TABLE ONLY sipsieve_fraud.reached
    ADD CONSTRAINT reached_pkey PRIMARY KEY (sensor);
CREATE INDEX excerpt_account ON ONLY sipsieve_billing.excerpt USING btree (account, moment, id) WHERE (account IS NOT NULL);
CREATE INDEX excerpt_20261124_account_moment_id_idx ON sipsieve_billing.excerpt_20261124 USING btree (account, moment, id) WHERE (account IS NOT NULL);
CREATE INDEX excerpt_dialog ON ONLY sipsieve_billing.excerpt USING btree (dialog) WHERE (dialog IS NOT NULL);
CREATE INDEX excerpt_20261124_dialog_idx ON sipsieve_billing.excerpt_20261124 USING btree (dialog) WHERE (dialog IS NOT NULL);
CREATE INDEX excerpt_moment ON ONLY sipsieve_billing.excerpt USING btree (moment, id);
CREATE INDEX excerpt_20261124_moment_id_idx ON sipsieve_billing.excerpt_20261124 USING btree (moment, id);
CREATE INDEX excerpt_put ON ONLY sipsieve_billing.excerpt USING btree (put_by, put_spool, put_seq, id);
CREATE INDEX excerpt_20261124_put_by_put_spool_put_seq_id_idx ON sipsieve_billing.excerpt_20261124 USING btree (put_by, put_spool, put_seq, id);
CREATE INDEX excerpt_20261126_account_moment_id_idx ON sipsieve_billing.excerpt_20261126 USING btree (account, moment, id) WHERE (account IS NOT NULL);
CREATE INDEX excerpt_20261126_dialog_idx ON sipsieve_billing.excerpt_20261126 USING btree (dialog) WHERE (dialog IS NOT NULL);
CREATE INDEX excerpt_20261126_moment_id_idx ON sipsieve_billing.excerpt_20261126 USING btree (moment, id);
CREATE INDEX excerpt_20261126_put_by_put_spool_put_seq_id_idx ON sipsieve_billing.excerpt_20261126 USING btree (put_by, put_spool, put_seq, id);
CREATE INDEX excerpt_account ON ONLY sipsieve_fraud.excerpt USING btree (account, moment, id) WHERE (account IS NOT NULL);
CREATE INDEX excerpt_20261124_account_moment_id_idx ON sipsieve_fraud.excerpt_20261124 USING btree (account, moment, id) WHERE (account IS NOT NULL);
CREATE INDEX excerpt_dialog ON ONLY sipsieve_fraud.excerpt USING btree (dialog) WHERE (dialog IS NOT NULL);
CREATE INDEX excerpt_20261124_dialog_idx ON sipsieve_fraud.excerpt_20261124 USING btree (dialog) WHERE (dialog IS NOT NULL);
CREATE INDEX excerpt_moment ON ONLY sipsieve_fraud.excerpt USING btree (moment, id);
CREATE INDEX excerpt_20261124_moment_id_idx ON sipsieve_fraud.excerpt_20261124 USING btree (moment, id);
CREATE INDEX excerpt_put ON ONLY sipsieve_fraud.excerpt USING btree (put_by, put_spool, put_seq, id);
CREATE INDEX excerpt_20261124_put_by_put_spool_put_seq_id_idx ON sipsieve_fraud.excerpt_20261124 USING btree (put_by, put_spool, put_seq, id);
ALTER INDEX sipsieve_billing.excerpt_account ATTACH PARTITION sipsieve_billing.excerpt_20261124_account_moment_id_idx;
ALTER INDEX sipsieve_billing.excerpt_dialog ATTACH PARTITION sipsieve_billing.excerpt_20261124_dialog_idx;
ALTER INDEX sipsieve_billing.excerpt_moment ATTACH PARTITION sipsieve_billing.excerpt_20261124_moment_id_idx;
ALTER INDEX sipsieve_billing.excerpt_pkey ATTACH PARTITION sipsieve_billing.excerpt_20261124_pkey;
ALTER INDEX sipsieve_billing.excerpt_put ATTACH PARTITION sipsieve_billing.excerpt_20261124_put_by_put_spool_put_seq_id_idx;
ALTER INDEX sipsieve_billing.excerpt_account ATTACH PARTITION sipsieve_billing.excerpt_20261126_account_moment_id_idx;
ALTER INDEX sipsieve_billing.excerpt_dialog ATTACH PARTITION sipsieve_billing.excerpt_20261126_dialog_idx;
ALTER INDEX sipsieve_billing.excerpt_moment ATTACH PARTITION sipsieve_billing.excerpt_20261126_moment_id_idx;
ALTER INDEX sipsieve_billing.excerpt_pkey ATTACH PARTITION sipsieve_billing.excerpt_20261126_pkey;
ALTER INDEX sipsieve_billing.excerpt_put ATTACH PARTITION sipsieve_billing.excerpt_20261126_put_by_put_spool_put_seq_id_idx;
ALTER INDEX sipsieve_fraud.excerpt_account ATTACH PARTITION sipsieve_fraud.excerpt_20261124_account_moment_id_idx;
ALTER INDEX sipsieve_fraud.excerpt_dialog ATTACH PARTITION sipsieve_fraud.excerpt_20261124_dialog_idx;
ALTER INDEX sipsieve_fraud.excerpt_moment ATTACH PARTITION sipsieve_fraud.excerpt_20261124_moment_id_idx;
ALTER INDEX sipsieve_fraud.excerpt_pkey ATTACH PARTITION sipsieve_fraud.excerpt_20261124_pkey;
ALTER INDEX sipsieve_fraud.excerpt_put ATTACH PARTITION sipsieve_fraud.excerpt_20261124_put_by_put_spool_put_seq_id_idx;
GRANT USAGE ON SCHEMA sipsieve TO PUBLIC;
GRANT USAGE ON SCHEMA sipsieve_billing TO sipsieve_billing;
GRANT USAGE ON SCHEMA sipsieve_fraud TO sipsieve_fraud;
GRANT SELECT ON TABLE sipsieve.version TO PUBLIC;
GRANT SELECT ON TABLE sipsieve_billing.excerpt TO sipsieve_billing;
GRANT SELECT ON TABLE sipsieve_billing.reached TO sipsieve_billing;
GRANT SELECT ON TABLE sipsieve_fraud.excerpt TO sipsieve_fraud;
GRANT SELECT ON TABLE sipsieve_fraud.reached TO sipsieve_fraud;

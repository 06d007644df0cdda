-- insert_response --
-- Write a response; nothing when the id is there already.
INSERT INTO response (tenant, id, created_at, status, model, previous_id, conversation_id, body)
VALUES (:tenant, :id, :created_at, :status, :model, :previous_id, :conversation_id, :body)
    ON CONFLICT (tenant, id) DO NOTHING;

-- replace_response --
-- Replace the snapshot of a response that has not ended: the first end counts.
UPDATE response SET status = :status, model = :model, body = :body
 WHERE tenant = :tenant AND id = :id AND status IN ('queued', 'in_progress') AND deleted = 0;

-- join_inputs --
-- Put the input of an accepted response into its conversation.
UPDATE item SET conversation_id = :conversation_id
 WHERE response_id = :response_id AND tenant = :tenant AND side = 0;

-- response_and_output --
-- Return the response, then its output in order: one statement, so that both are of one moment.
SELECT 0 AS row, body
  FROM response
 WHERE tenant = :tenant AND id = :id AND deleted = 0
UNION ALL
SELECT item.row, coalesce(item.body, shared.body)
  FROM item LEFT JOIN item AS shared ON shared.row = item.same_as
 WHERE item.response_id = :id AND item.tenant = :tenant AND item.side = 1
 ORDER BY row;

-- chain_items --
-- Return the items of a response and of all it continues, oldest first, with the status of the first; deleted
-- ancestors count. At least one row when the response exists, its item columns empty when the chain has none.
WITH RECURSIVE chain (id, previous_id, status, depth) AS (
    SELECT id, previous_id, status, 0
      FROM response
     WHERE tenant = :tenant AND id = :id AND deleted = 0
    UNION ALL
    SELECT earlier.id, earlier.previous_id, chain.status, chain.depth + 1
      FROM chain JOIN response AS earlier ON earlier.tenant = :tenant AND earlier.id = chain.previous_id
)
SELECT chain.status, item.row, item.id, coalesce(item.body, shared.body)
  FROM chain
  LEFT JOIN item ON item.response_id = chain.id AND item.tenant = :tenant
  LEFT JOIN item AS shared ON shared.row = item.same_as
 ORDER BY chain.depth DESC, item.row;

-- chain_inputs --
-- As chain_items, without the bytes and without the response's own output.
WITH RECURSIVE chain (id, previous_id, depth) AS (
    SELECT id, previous_id, 0
      FROM response
     WHERE tenant = :tenant AND id = :id AND deleted = 0
    UNION ALL
    SELECT earlier.id, earlier.previous_id, chain.depth + 1
      FROM chain JOIN response AS earlier ON earlier.tenant = :tenant AND earlier.id = chain.previous_id
)
SELECT item.row, item.id
  FROM chain
  LEFT JOIN item ON item.response_id = chain.id AND item.tenant = :tenant AND NOT (chain.depth = 0 AND item.side = 1)
 ORDER BY chain.depth DESC, item.row;

-- has_response --
-- Say whether the response exists.
SELECT 1 FROM response WHERE tenant = :tenant AND id = :id AND deleted = 0;

-- responses_up --
-- Return responses between two ids, oldest first; ids grow with time.
SELECT body
  FROM response
 WHERE tenant = :tenant AND id > :low AND id < :high AND deleted = 0
   AND (:status IS NULL OR status = :status)
   AND (:model IS NULL OR model = :model)
   AND (:conversation IS NULL OR conversation_id = :conversation)
 ORDER BY id
 LIMIT :limit;

-- responses_down --
-- Return responses between two ids, newest first.
SELECT body
  FROM response
 WHERE tenant = :tenant AND id > :low AND id < :high AND deleted = 0
   AND (:status IS NULL OR status = :status)
   AND (:model IS NULL OR model = :model)
   AND (:conversation IS NULL OR conversation_id = :conversation)
 ORDER BY id DESC
 LIMIT :limit;

-- unfinished --
-- Return every response that has not ended, oldest first for each tenant.
SELECT tenant, body
  FROM response
 WHERE status IN ('queued', 'in_progress') AND deleted = 0
 ORDER BY tenant, id;

-- response_links --
-- Return what a response continues, whether it is deleted, and whether another continues it.
SELECT previous_id, deleted,
       EXISTS (SELECT 1 FROM response AS later WHERE later.previous_id = response.id AND later.tenant = :tenant)
  FROM response
 WHERE tenant = :tenant AND id = :id;

-- mark_response_deleted --
-- Empty a response that others continue; its items stay for them.
UPDATE response SET deleted = 1, body = x'' WHERE tenant = :tenant AND id = :id;

-- delete_response --
-- Delete a response for good.
DELETE FROM response WHERE tenant = :tenant AND id = :id;

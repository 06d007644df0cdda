-- insert_item --
-- Append an item with bytes of its own. Both inserts take their values by place: they run for every item there is.
INSERT INTO item (tenant, id, response_id, side, conversation_id, same_as, body)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- insert_same_item --
-- Append an item that shares the bytes behind a row; nothing when that row is gone or another tenant's.
WITH new (tenant, id, response_id, side, conversation_id, same_as, body) AS (VALUES (?, ?, ?, ?, ?, ?, ?))
INSERT INTO item (tenant, id, response_id, side, conversation_id, same_as, body)
SELECT new.tenant, new.id, new.response_id, new.side, new.conversation_id, coalesce(named.same_as, named.row), new.body
  FROM new JOIN item AS named ON named.row = new.same_as AND named.tenant = new.tenant;

-- newest_items --
-- Return the newest item of each id that a response or a conversation still holds. CROSS: each id is looked up;
-- left to itself the planner reads all items of the tenant.
SELECT max(item.row), item.id, coalesce(item.body, shared.body)
  FROM json_each(:ids) AS wanted
 CROSS JOIN item ON item.tenant = :tenant AND item.id = wanted.value
  LEFT JOIN item AS shared ON shared.row = item.same_as
 WHERE item.conversation_id IS NOT NULL
    OR EXISTS (SELECT 1 FROM response
                WHERE response.tenant = item.tenant AND response.id = item.response_id AND response.deleted = 0)
 GROUP BY item.id;

-- item_bytes --
-- Return the bytes of one row.
SELECT coalesce(item.body, shared.body)
  FROM item LEFT JOIN item AS shared ON shared.row = item.same_as
 WHERE item.row = :row;

-- held_by_response --
-- Return the rows of a response and those whose bytes they share.
SELECT row, same_as FROM item WHERE response_id = :response_id AND tenant = :tenant;

-- leave_response --
-- Take all items out of a response.
UPDATE item SET response_id = NULL, side = NULL WHERE response_id = :response_id AND tenant = :tenant;

-- held_by_conversation --
-- Return the rows of a conversation and those whose bytes they share.
SELECT row, same_as FROM item WHERE conversation_id = :conversation_id AND tenant = :tenant;

-- leave_conversation --
-- Take all items out of a conversation.
UPDATE item SET conversation_id = NULL WHERE conversation_id = :conversation_id AND tenant = :tenant;

-- held_under_id --
-- Return the rows of one id in a conversation and those whose bytes they share.
SELECT row, same_as FROM item WHERE tenant = :tenant AND id = :item_id AND conversation_id = :conversation_id;

-- leave_under_id --
-- Take the items of one id out of a conversation.
UPDATE item SET conversation_id = NULL
 WHERE tenant = :tenant AND id = :item_id AND conversation_id = :conversation_id;

-- delete_unheld --
-- Delete a row that stands nowhere, unless others share its bytes.
DELETE FROM item
 WHERE row = :row AND response_id IS NULL AND conversation_id IS NULL
   AND NOT EXISTS (SELECT 1 FROM item AS other WHERE other.same_as = :row);

-- insert_conversation --
-- Write a conversation; nothing when the id is, or was, there already.
INSERT INTO conversation (tenant, id, created_at, metadata)
VALUES (:tenant, :id, :created_at, :metadata)
    ON CONFLICT (tenant, id) DO NOTHING;

-- conversation --
-- Return one conversation.
SELECT created_at, metadata FROM conversation WHERE tenant = :tenant AND id = :id AND deleted = 0;

-- conversation_deleted --
-- Say whether a conversation is a tombstone; nothing when there never was one.
SELECT deleted FROM conversation WHERE tenant = :tenant AND id = :id;

-- update_conversation --
-- Replace the metadata.
UPDATE conversation SET metadata = :metadata WHERE tenant = :tenant AND id = :id AND deleted = 0;

-- bury_conversation --
-- Leave only a tombstone.
UPDATE conversation SET deleted = 1, metadata = x'' WHERE tenant = :tenant AND id = :id AND deleted = 0;

-- conversation_items --
-- Return every item, oldest first. One row without an item when there is none.
SELECT item.row, item.id, coalesce(item.body, shared.body)
  FROM conversation
  LEFT JOIN item ON item.conversation_id = conversation.id AND item.tenant = :tenant
  LEFT JOIN item AS shared ON shared.row = item.same_as
 WHERE conversation.tenant = :tenant AND conversation.id = :id AND conversation.deleted = 0
 ORDER BY item.row;

-- conversation_item --
-- Return the newest item of an id.
SELECT item.row, item.id, coalesce(item.body, shared.body)
  FROM item LEFT JOIN item AS shared ON shared.row = item.same_as
 WHERE item.tenant = :tenant AND item.id = :item_id AND item.conversation_id = :id
 ORDER BY item.row DESC
 LIMIT 1;

-- conversation_items_up --
-- Return the items between two rows, oldest first, each id once: where it stands last.
SELECT item.row, item.id, coalesce(item.body, shared.body)
  FROM item LEFT JOIN item AS shared ON shared.row = item.same_as
 WHERE item.conversation_id = :id AND item.tenant = :tenant AND item.row > :low AND item.row < :high
   AND NOT EXISTS (SELECT 1 FROM item AS newer
                    WHERE newer.tenant = item.tenant AND newer.id = item.id AND newer.row > item.row
                      AND newer.conversation_id = item.conversation_id)
 ORDER BY item.row
 LIMIT :limit;

-- conversation_items_down --
-- Return the items between two rows, newest first, each id once: where it stands last.
SELECT item.row, item.id, coalesce(item.body, shared.body)
  FROM item LEFT JOIN item AS shared ON shared.row = item.same_as
 WHERE item.conversation_id = :id AND item.tenant = :tenant AND item.row > :low AND item.row < :high
   AND NOT EXISTS (SELECT 1 FROM item AS newer
                    WHERE newer.tenant = item.tenant AND newer.id = item.id AND newer.row > item.row
                      AND newer.conversation_id = item.conversation_id)
 ORDER BY item.row DESC
 LIMIT :limit;

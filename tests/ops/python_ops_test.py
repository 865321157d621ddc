"""The operators as Python sees them: one shared library serves both languages.

usage: python_ops_test.py LIBRETENTIVE_RETENTION.so
"""

import sys
import unittest

import torch

torch.ops.load_library(sys.argv.pop(1))


def plain_masa(q, k, v, log_gamma, k_scale):
    """Full MaSA without rotation, from its definition."""
    height, width = q.shape[1:3]
    row, column = (torch.arange(height * width) // width, torch.arange(height * width) % width)
    distance = (row[:, None] - row).abs() + (column[:, None] - column).abs()
    tokens = [x.flatten(1, 2).transpose(1, 2) for x in (q, k * k_scale, v)]
    scores = tokens[0] @ tokens[1].transpose(-1, -2) + distance * log_gamma[:, None, None]
    return (scores.softmax(-1) @ tokens[2]).transpose(1, 2).reshape(q.shape)


class PythonOps(unittest.TestCase):
    def setUp(self):
        generator = torch.Generator().manual_seed(0)
        self.q, self.k, self.v = (torch.randn(2, 5, 7, 3, 8, generator=generator) for _ in range(3))
        self.log_gamma = torch.tensor([0.75, 0.9, 0.97]).log()

    def test_masa_equals_its_definition(self):
        out = torch.ops.retentive.masa(self.q, self.k, self.v, self.log_gamma, torch.zeros(8), 0.35)
        expected = plain_masa(self.q, self.k, self.v, self.log_gamma, 0.35)
        self.assertLess((out - expected).abs().max().item(), 1e-5)

    def test_depthwise_conv_equals_its_definition(self):
        x = torch.randn(2, 5, 7, 6).requires_grad_()
        weight, bias = torch.randn(6, 1, 3, 3), torch.randn(6)
        out = torch.ops.retentive.depthwise_conv(x, weight, bias, None, True, True)
        t = torch.nn.functional.gelu(x)
        conv = torch.nn.functional.conv2d(t.permute(0, 3, 1, 2), weight, bias, padding=1, groups=6)
        expected = t + conv.permute(0, 2, 3, 1)
        self.assertLess((out - expected).abs().max().item(), 1e-5)
        ours, = torch.autograd.grad(out.square().sum(), x)
        theirs, = torch.autograd.grad(expected.square().sum(), x)
        self.assertLess((ours - theirs).abs().max().item() / theirs.abs().max().item(), 1e-5)

    def test_gradients_flow(self):
        self.q.requires_grad_()
        out = torch.ops.retentive.masa_decomposed(self.q, self.k, self.v, self.log_gamma, torch.zeros(8), 0.35, "paper")
        out.sum().backward()
        self.assertTrue(torch.isfinite(self.q.grad).all() and self.q.grad.abs().max() > 0)

    def test_forms_of_retention_equal_their_definition(self):
        q, k, v = (torch.randn(2, 11, 3, d).requires_grad_() for d in (8, 8, 12))
        distance = torch.arange(11)[:, None] - torch.arange(11)
        decay = torch.where(distance >= 0, (distance.clamp(min=0) * self.log_gamma[:, None, None]).exp(), 0.0)
        scores = torch.einsum("bnhd,bmhd->bhnm", q, k * 0.35) * decay
        expected = torch.einsum("bhnm,bmhd->bnhd", scores, v)
        expected_grad, = torch.autograd.grad(expected.square().sum(), k)
        ops = torch.ops.retentive
        for form in (ops.retention_parallel, ops.retention_recurrent, ops.retention_chunkwise):
            chunk = [4] if form is ops.retention_chunkwise else []
            out, state = form(q, k, v, self.log_gamma, 0.35, *chunk)
            self.assertEqual(state.shape, (2, 3, 8, 12))
            self.assertLess((out - expected).abs().max().item(), 1e-5)
            grad, = torch.autograd.grad(out.square().sum(), k)
            self.assertLess((grad - expected_grad).abs().max().item() / expected_grad.abs().max().item(), 1e-5)

    def test_attention_decode_equals_its_definition(self):
        q, k, v = torch.randn(2, 3, 4, 8), torch.randn(2, 70, 4, 8), torch.randn(2, 70, 4, 12)
        seen = torch.ones(3, 70, dtype=torch.bool).tril(67)
        heads = [x.transpose(1, 2) for x in (q, k, v)]
        expected = torch.nn.functional.scaled_dot_product_attention(*heads, attn_mask=seen).transpose(1, 2)
        self.assertLess((torch.ops.retentive.attention_decode(q, k, v) - expected).abs().max().item(), 1e-5)

    def test_boxes(self):
        ops = torch.ops.retentive
        boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]])
        scores, ids = torch.tensor([0.2, 0.3, 0.1]), torch.tensor([0, 1, 0])
        self.assertAlmostEqual(ops.pairwise_iou(boxes, boxes)[0, 1].item(), 0.9, places=6)
        self.assertEqual(ops.nms(boxes, scores, 0.5).tolist(), [1, 2])
        self.assertEqual(ops.batched_nms(boxes, scores, ids, 0.5).tolist(), [1, 0, 2])
        deltas = ops.box_encode(boxes, boxes + 1, [0.1, 0.1, 0.2, 0.2])
        self.assertLess((ops.box_decode(boxes, deltas, [0.1, 0.1, 0.2, 0.2]) - boxes - 1).abs().max().item(), 1e-5)
        self.assertEqual(ops.box_decode(boxes, deltas, image=[5, 6])[2].tolist(), [6, 5, 6, 5])
        # The corners of squares fade to 0.7 * 0.7.
        self.assertEqual(ops.paste_masks(torch.ones(3, 4, 4), boxes, 40, 40, 0.5).sum((1, 2)).tolist(), [96, 90, 96])

    def test_roi_align(self):
        features = torch.arange(64.0).view(1, 1, 8, 8).requires_grad_()
        out = torch.ops.retentive.roi_align(features, torch.tensor([[0.0, 2, 2, 6, 4]]), 1.0, 1, 1)
        self.assertAlmostEqual(out.item(), 8 * 2.5 + 3.5, places=4)
        out.sum().backward()
        self.assertAlmostEqual(features.grad.sum().item(), 1, places=5)

    def test_wrong_shapes_raise(self):
        with self.assertRaisesRegex(Exception, r"log_gamma is \[2\]"):
            torch.ops.retentive.masa(self.q, self.k, self.v, self.log_gamma[:2], torch.zeros(8), 0.35)


if __name__ == "__main__":
    unittest.main()
